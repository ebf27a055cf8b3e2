"""Employees: who exists, under which address. Owns the collection `employees`.

It must never know plain-text passwords, sessions or HTTP. `Employees` stores them, `Directory`
searches them.
"""

from auth_service.employees.directory import Directory, search_terms
from auth_service.employees.store import Employee, Employees, email_taken

__all__ = ["Directory", "Employee", "Employees", "email_taken", "search_terms"]
