"""The mathematics of ``encoder.py`` at speed."""
