-- Where each type of event stands in a chain: what is rare in a long chain is found without reading the chain.

CREATE INDEX events_tenant_type ON events (tenant, event_type, seq);
