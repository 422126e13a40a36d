"""A replica's life: it joins, renews and shares leases, removes lost replicas, and leaves."""
