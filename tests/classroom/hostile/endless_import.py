# Never comes back, and not even from its import.
while True:
    pass
