"""Measurements; each compares both sides in one run, because machines drift."""
