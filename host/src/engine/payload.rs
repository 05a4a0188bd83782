//! Payloads: checking and normalising the JSON that goes into a chain.
