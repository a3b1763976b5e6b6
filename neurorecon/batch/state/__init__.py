"""The state of a batch on the disk beside the results: ledger, leases, records, names."""
