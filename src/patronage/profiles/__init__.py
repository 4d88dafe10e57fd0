"""Profiles: what the customers of each segment are like, worth, and reached by; the stage after labels."""

from patronage.profiles.customers import Customers, describe_customers
from patronage.profiles.profile import profile_segments
from patronage.profiles.tables import ALL, Profiles

__all__ = ["ALL", "Customers", "Profiles", "describe_customers", "profile_segments"]
