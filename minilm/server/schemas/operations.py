"""Answers for operators."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel


class HealthAnswer(BaseModel):
    """The server accepts requests."""

    status: Literal["ok"]
