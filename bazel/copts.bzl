"""Flags every first-party C and C++ target is compiled with."""

COPTS = ["-Wall", "-Wextra", "-Wshadow", "-Wswitch-enum", "-Werror"]
