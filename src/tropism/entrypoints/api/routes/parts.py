"""What every route is handed."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from tropism.wiring import Platform


def _platform(request: Request) -> Platform:
    platform: Platform = request.app.state.platform
    return platform


Parts = Annotated[Platform, Depends(_platform)]
