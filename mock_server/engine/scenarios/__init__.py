"""Scenarios: named bundles of faults, replies, limits, a state, plans and a clock, from files, switched on and off as one.

files.py   what a file may say       table.py   which are on, and for whom
"""
