//! The words of tickets, as they travel. They are a public contract.

use crate::domain::wire_enum;

wire_enum! {
    /// What kind of ticket. The host sets it.
    TicketKind, "kind of ticket" {
        /// Work for the tenant's agent.
        Sea = "sea",
    }
}
wire_enum! {
    /// How far a ticket is.
    TicketStatus, "status of a ticket" {
        /// It waits to be claimed.
        Open = "open",
        /// Somebody holds it and has not shown progress yet.
        Claimed = "claimed",
        /// Somebody holds it and works.
        InProgress = "in_progress",
        /// An attempt failed; it may be claimed again once it is due.
        FailedRetryable = "failed_retryable",
        /// It waits for an operator, who reopens it.
        BlockedNeedsOperator = "blocked_needs_operator",
        /// It was done.
        Completed = "completed",
        /// It was given up.
        FailedTerminal = "failed_terminal",
    }
}

impl TicketStatus {
    /// Those of tickets that somebody holds.
    pub const HELD: [Self; 2] = [Self::Claimed, Self::InProgress];
    /// Those of tickets that may be claimed.
    pub const CLAIMABLE: [Self; 2] = [Self::Open, Self::FailedRetryable];
    /// Those of tickets that have not come to an end.
    pub const UNENDED: [Self; 5] = [
        Self::Open,
        Self::Claimed,
        Self::InProgress,
        Self::FailedRetryable,
        Self::BlockedNeedsOperator,
    ];

    /// Whether somebody holds it.
    pub fn is_held(self) -> bool {
        Self::HELD.contains(&self)
    }

    /// Whether it may be claimed.
    pub fn is_claimable(self) -> bool {
        Self::CLAIMABLE.contains(&self)
    }

    /// Whether it came to an end for good.
    pub fn has_ended(self) -> bool {
        !Self::UNENDED.contains(&self)
    }
}

wire_enum! {
    /// How an attempt ended.
    Resolution, "resolution" {
        /// The work is done.
        Completed = "completed",
        /// It cannot be done.
        FailedTerminal = "failed_terminal",
        /// It failed, and may be tried again.
        FailedRetryable = "failed_retryable",
        /// It was given back untouched.
        Released = "released",
        /// It was given back because the money is spent.
        DeferredCostLimit = "deferred_cost_limit",
        /// It cannot go on without an operator.
        BlockedNeedsOperator = "blocked_needs_operator",
    }
}
wire_enum! {
    /// Why an attempt failed that may be tried again.
    RetryReason, "reason to try again" {
        /// The constitution neither allowed nor forbade it.
        ConstitutionInconclusive = "constitution_inconclusive",
        /// The agent took too long.
        AgentTimeout = "agent_timeout",
        /// Something could not be reached.
        Network = "network",
    }
}

impl RetryReason {
    /// How long until it is tried again, in seconds.
    pub const fn offset_seconds(self) -> u64 {
        match self {
            Self::ConstitutionInconclusive => 5 * 60,
            Self::AgentTimeout => 10 * 60,
            Self::Network => 60,
        }
    }
}

wire_enum! {
    /// How much it matters.
    Priority, "priority" {
        /// Whenever there is time.
        Low = "low",
        /// As usual.
        Normal = "normal",
        /// Before the usual.
        High = "high",
        /// Before all else: the one that may be claimed where only critical work may.
        Frontier = "frontier",
    }
}

impl Priority {
    /// Its place among others: the smaller, the sooner.
    pub const fn rank(self) -> i64 {
        match self {
            Self::Frontier => 0,
            Self::High => 1,
            Self::Normal => 2,
            Self::Low => 3,
        }
    }

    /// Whether it may be claimed where only critical work may.
    pub const fn is_critical(self) -> bool {
        matches!(self, Self::Frontier)
    }
}

wire_enum! {
    /// What came of asking for a claim.
    ClaimResult, "result of a claim" {
        /// It is the asker's now.
        Claimed = "claimed",
        /// Somebody holds it.
        AlreadyClaimed = "already_claimed",
        /// It is another's to do.
        NotAssigned = "not_assigned",
        /// It is nobody's to do any more.
        AssignmentCleared = "assignment_cleared",
        /// It has ended, or waits for an operator.
        TicketTerminal = "ticket_terminal",
        /// The tenant may not claim now.
        BlockedByControl = "blocked_by_control",
        /// The money does not allow it.
        BlockedByCost = "blocked_by_cost",
        /// The asker speaks another version of the contract.
        ContractVersionMismatch = "contract_version_mismatch",
    }
}
wire_enum! {
    /// What counts as progress. To be alive does not.
    Progress, "sign of progress" {
        /// The model said more.
        StreamingTokenAdvanced = "streaming_token_advanced",
        /// A tool call began or ended.
        ToolCallBoundary = "tool_call_boundary",
    }
}
