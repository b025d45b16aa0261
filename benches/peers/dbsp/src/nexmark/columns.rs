//! Rows as text.

use std::io::{self, Write};

use dbsp::utils::{Tup2, Tup3, Tup4, Tup5, Tup7, Tup10};

/// Writes all that is in a row, however it is nested, each behind a comma.
pub trait Columns {
    fn write(&self, out: &mut dyn Write) -> io::Result<()>;
}

macro_rules! plain {
    ($($plain:ty),*) => {$(
        impl Columns for $plain {
            fn write(&self, out: &mut dyn Write) -> io::Result<()> {
                write!(out, ",{self}")
            }
        }
    )*};
}

macro_rules! tuple {
    ($tuple:ident: $($part:ident)*) => {
        impl<$($part: Columns),*> Columns for $tuple<$($part),*> {
            #[allow(non_snake_case)]
            fn write(&self, out: &mut dyn Write) -> io::Result<()> {
                let $tuple($($part),*) = self;
                $($part.write(out)?;)*
                Ok(())
            }
        }
    };
}

plain!(u64, i64, String);
tuple!(Tup2: A B);
tuple!(Tup3: A B C);
tuple!(Tup4: A B C D);
tuple!(Tup5: A B C D E);
tuple!(Tup7: A B C D E F G);
tuple!(Tup10: A B C D E F G H I J);
