"""The engine beside kfp.local: the first three lines of the table of speeds."""
