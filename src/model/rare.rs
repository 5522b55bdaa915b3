//! A collection that is nearly always empty, and then costs a pointer and no more.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::resources::HostPort;
use super::tag::Tag;
use super::task::NetworkBinding;

/// A collection that is empty in most of very many values. Empty it takes the room of a pointer;
/// copies share what is in it until one of them changes. It reads, compares and travels as the
/// collection itself.
#[derive(Clone, Debug)]
pub struct Rare<T>(Option<Arc<T>>);

/// A collection that a [`Rare`] may hold.
pub trait Collection: Clone + Default + 'static {
    /// The empty one.
    fn empty() -> &'static Self;
    /// Whether there is nothing in it.
    fn is_empty(&self) -> bool;
}

macro_rules! collection {
    ($type:ty) => {
        impl Collection for $type {
            fn empty() -> &'static Self {
                static EMPTY: $type = <$type>::new();
                &EMPTY
            }

            fn is_empty(&self) -> bool {
                self.is_empty()
            }
        }
    };
}
collection!(BTreeSet<HostPort>);
collection!(BTreeMap<String, u64>);
collection!(Vec<Tag>);
collection!(Vec<NetworkBinding>);

impl<T: Collection> Rare<T> {
    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(|all| all.is_empty())
    }
}

impl<T> Default for Rare<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: Collection> From<T> for Rare<T> {
    fn from(all: T) -> Self {
        Self((!all.is_empty()).then(|| Arc::new(all)))
    }
}

impl<T: Collection + FromIterator<I>, I> FromIterator<I> for Rare<T> {
    fn from_iter<Iter: IntoIterator<Item = I>>(items: Iter) -> Self {
        T::from_iter(items).into()
    }
}

impl<T: Collection> Deref for Rare<T> {
    type Target = T;
    fn deref(&self) -> &T {
        match &self.0 {
            Some(all) => all,
            None => T::empty(),
        }
    }
}

impl<T: Collection> DerefMut for Rare<T> {
    fn deref_mut(&mut self) -> &mut T {
        Arc::make_mut(self.0.get_or_insert_default())
    }
}

impl<'a, T: Collection> IntoIterator for &'a Rare<T>
where
    &'a T: IntoIterator,
{
    type Item = <&'a T as IntoIterator>::Item;
    type IntoIter = <&'a T as IntoIterator>::IntoIter;
    fn into_iter(self) -> Self::IntoIter {
        (**self).into_iter()
    }
}

impl<T: Collection + PartialEq> PartialEq for Rare<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Collection + Eq> Eq for Rare<T> {}

impl<T: Collection + Serialize> Serialize for Rare<T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        (**self).serialize(to)
    }
}

impl<'de, T: Collection + Deserialize<'de>> Deserialize<'de> for Rare<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        T::deserialize(from).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Amounts = Rare<BTreeMap<String, u64>>;

    #[test]
    fn it_reads_compares_and_travels_as_the_collection_itself() {
        let mut some = Amounts::default();
        assert_eq!(size_of::<Amounts>(), size_of::<usize>());
        assert_eq!(serde_json::to_string(&some).unwrap(), "{}");
        some.insert("GPU".to_owned(), 2);
        let text = serde_json::to_string(&some).unwrap();
        assert_eq!(text, r#"{"GPU":2}"#);
        assert_eq!(serde_json::from_str::<Amounts>(&text).unwrap(), some);
        some.clear();
        assert!(some.is_empty());
        assert_eq!(some, Amounts::default());
    }

    #[test]
    fn a_copy_that_changes_leaves_the_other_alone() {
        let first: Amounts = [("GPU".to_owned(), 1)].into_iter().collect();
        let mut second = first.clone();
        second.insert("GPU".to_owned(), 2);
        assert_eq!((first.get("GPU"), second.get("GPU")), (Some(&1), Some(&2)));
    }
}
