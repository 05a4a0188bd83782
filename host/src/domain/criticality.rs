//! Whether work may be done by a smaller model.

use super::wire_enum;

wire_enum! {
    /// Whether work may be done by a smaller model when money runs short. Work that does not say is [`FrontierOnly`](Self::FrontierOnly).
    Criticality, "criticality" {
        /// A smaller model will do.
        DownshiftEligible = "downshift_eligible",
        /// It waits rather than being done by a smaller model.
        FrontierOnly = "frontier_only",
    }
}
