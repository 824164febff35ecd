"""Errors on demand: rules of files and of the admin API, the header x-mock-fault, magic keys.

effects.py rules.py   what a rule may say           short.py       the same in one line
schema.py             the same for editors
schedule.py           whether it fires this time    matching.py index.py   whether an exchange is meant
table.py              the rules in force            files.py       rules of files, reloaded when they change
answers.py            what happens instead of the operation
wire.py sockets.py    what happens to its bytes and frames on their way out
"""
