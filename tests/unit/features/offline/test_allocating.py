from __future__ import annotations

import pyarrow as pa
import pytest

from tropism.features.offline.allocating import steady_memory

pytestmark = pytest.mark.skipif("jemalloc" not in pa.supported_memory_backends(), reason="Arrow has no jemalloc here")


def test_the_usual_allocator_comes_back_after_the_last_one_has_left() -> None:
    usual = pa.default_memory_pool().backend_name
    first, second = steady_memory(), steady_memory()
    first.__enter__()
    second.__enter__()
    assert pa.default_memory_pool().backend_name == "jemalloc"
    first.__exit__(None, None, None)
    assert pa.default_memory_pool().backend_name == "jemalloc"
    second.__exit__(None, None, None)
    assert pa.default_memory_pool().backend_name == usual


def test_it_comes_back_after_a_failure() -> None:
    usual = pa.default_memory_pool().backend_name
    with pytest.raises(ValueError, match="full"), steady_memory():
        raise ValueError("full")
    assert pa.default_memory_pool().backend_name == usual
