"""The `hpcc` command: one file per command, each declares its options, calls the core and emits one report."""
