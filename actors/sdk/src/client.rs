//! What all clients have.

/// Defines a client: a value that is a binding's name.
macro_rules! client {
    ($(#[$doc:meta])* $name:ident = $contract:literal) => {
        $(#[$doc])*
        ///
        /// A value of this type is the name of a binding, no connection: make one wherever one is needed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name<'a> {
            binding: &'a str,
        }

        impl<'a> $name<'a> {
            /// The contract, as claims and manifests name it.
            pub const CONTRACT: &'static str = $contract;

            /// By the binding `default`.
            #[must_use]
            #[inline]
            pub const fn new() -> Self {
                Self { binding: $crate::DEFAULT }
            }

            /// By a binding of this name.
            #[must_use]
            #[inline]
            pub const fn bound(binding: &'a str) -> Self {
                Self { binding }
            }

            /// The binding's name.
            #[must_use]
            pub const fn binding(&self) -> &'a str {
                self.binding
            }
        }

        impl Default for $name<'_> {
            fn default() -> Self {
                Self::new()
            }
        }
    };
}

pub(crate) use client;
