"""Tests of patronage, one module per module."""
