"""Import of whole folders of files into the database.

Reading, checking and writing batches belong here; the records and their validation do not.
"""
