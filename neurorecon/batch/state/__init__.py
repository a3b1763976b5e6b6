"""What a batch remembers, and who owns what: ledger, leases, records, names, on disk beside the results."""
