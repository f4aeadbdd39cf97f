"""`python -m tropism` is the `tropism` command."""

import sys

from tropism.entrypoints.cli import main

sys.exit(main())
