//! The published waPC engine over our providers: a reference lane
