"""Looks an installation over, check by check, and says what to do about what it finds."""

from app.operations.doctor.doctor import CHECKS, Doctor
from app.operations.doctor.finding import Finding, Level
from app.operations.doctor.patient import Patient

__all__ = ["CHECKS", "Doctor", "Finding", "Level", "Patient"]
