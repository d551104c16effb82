"""The library: functions over arrays and paths, room by room from archives to a report (docs/architecture.md)."""
