"""Many jobs watched for a long time: what changes becomes records, each told once, also over kills of the monitor."""
