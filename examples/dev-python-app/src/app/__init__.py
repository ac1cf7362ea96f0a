"""The program that is developed."""
