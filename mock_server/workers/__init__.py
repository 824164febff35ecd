"""Several processes on one port and one database: who serves what, how connections change hands, calls that concern all."""
