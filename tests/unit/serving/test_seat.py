from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from tropism.serving.seat import Seat

HOLD = """
import sys
from pathlib import Path
from tropism.serving.seat import Seat
seat = Seat(Path(sys.argv[1]), 2)
print(seat.number, flush=True)
sys.stdin.read()
"""


def test_a_number_is_free_again_when_its_process_was_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "2\n"
        other = Seat(tmp_path, 2)
        process.send_signal(signal.SIGKILL)
        process.wait(60)
        again = Seat(tmp_path, 2)
    assert (other.number, again.number) == (3, 2)
    other.close()
    again.close()
