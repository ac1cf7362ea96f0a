"""Checks of this machine and this site before anything changes."""
