//! Work that comes as tickets. Nothing of this plugin uses it: it would want the permission `tickets` in `plugin.toml`.

use kora_plugin_api::{ClaimAnswer, Host, Result, Ticket, TicketEnding, TicketResolution};

/// Answers letters.
pub struct Letters;

impl Letters {
    /// Answers the next letter that is due, if there is one.
    ///
    /// # Errors
    /// If the host refuses a step; the lease then runs out, and the ticket is somebody else's.
    pub async fn answer_one(&self, host: Host, tenant: &str) -> Result<()> {
        let ClaimAnswer::Claimed(claim) = host.claim_ticket(tenant, None).await? else {
            return Ok(()); // Nothing is due, or it is not to be had: the answer says why.
        };
        let operation = host.allocate_operation(tenant, &claim, "letters.send").await?;
        let operation = host.dispatch_operation(tenant, &claim, &operation).await?;
        let receipt = self.send(&claim.ticket).await?;
        host.commit_operation(tenant, &claim, &operation, &receipt)
            .await?;
        let done = TicketEnding::new(TicketResolution::Completed, "sent");
        host.resolve_ticket(tenant, &claim, &done).await?;
        Ok(())
    }

    async fn send(&self, ticket: &Ticket) -> Result<String> {
        Ok(format!("sent: {}", ticket.title))
    }
}
