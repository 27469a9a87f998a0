"""Order-state recovery, measured per session and turned into a participation cap."""

__version__ = "0.1.0"
