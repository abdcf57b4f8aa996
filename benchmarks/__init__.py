"""Learned against static, speed, the real kernel, and the report: every figure comes from here."""
