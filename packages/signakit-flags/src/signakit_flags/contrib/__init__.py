"""What joins the SDK to another library: a module for each, with an extra of its name.

A module is imported by the application that uses it, and imports its library when its first object is made.
"""
