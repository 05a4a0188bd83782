//! Who speaks for each tenant: snapshots, generations, swap and rollback.
