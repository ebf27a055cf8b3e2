"""`make import-convos`: employees and conversations of the reference system into this one."""
