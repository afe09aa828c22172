"""Import of whole folders of files into the database.

Reading, checking and writing batches belong here. The records and their validation (`db.records`) do not.
"""
