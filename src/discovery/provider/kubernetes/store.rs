//! All objects of a provider, and which groups have to be made anew.
//!
//! Guarantees that after any sequence of changes, lists and broken lists the groups that were
//! handed out are those that a fresh list of everything would give. A list is taken in piece by
//! piece; what it did not mention goes when it is complete, and only then: a list that breaks off
//! removes nothing. A group waits until everything it may be joined with was listed once, as in
//! Prometheus, so that no target shows up without the labels of its node or service.
//!
//! Pure. The core of the provider's thread.

use std::collections::{BTreeMap, BTreeSet};

use super::config::Attach;
use super::joined::{Joined, Room};
use super::labels::Names;
use super::objects::Object;
use super::references::Touched;
use super::resource::{Kind, Watched};
use super::role;
use crate::discovery::manager::Update;
use crate::discovery::targets::weight;
use crate::limits;
use crate::model::sorting;
use crate::model::target_group::TargetGroup;
use crate::model::text::Text;

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// It is there, new or changed.
    Present,
    /// It is gone.
    Deleted,
}

/// How a change is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    Add,
    Update,
    Delete,
}

/// An object that is kept.
#[derive(Debug)]
struct Slot {
    object: Object,
    /// Which collection it came with.
    from: usize,
    /// The last list of that collection that had it.
    list: u32,
    /// How much its group was as it was handed out last.
    size: Room,
}

type Namespaced = BTreeMap<Text, BTreeMap<Text, Slot>>;

/// The objects, by kind, namespace and name.
#[derive(Debug, Default)]
pub(super) struct Objects {
    kinds: BTreeMap<Kind, (usize, Namespaced)>,
}

impl Objects {
    /// An object; the namespace of cluster-wide kinds is empty.
    pub(super) fn get(&self, kind: Kind, namespace: &str, name: &str) -> Option<&Object> {
        self.slot(kind, namespace, name).map(|slot| &slot.object)
    }

    /// All objects of a kind.
    pub(super) fn of(&self, kind: Kind) -> impl Iterator<Item = &Object> {
        self.slots(kind).map(|slot| &slot.object)
    }

    fn slots(&self, kind: Kind) -> impl Iterator<Item = &Slot> {
        let names = self.kinds.get(&kind).into_iter();
        names.flat_map(|(_, all)| all.values().flat_map(BTreeMap::values))
    }

    fn slot(&self, kind: Kind, namespace: &str, name: &str) -> Option<&Slot> {
        self.kinds.get(&kind)?.1.get(namespace)?.get(name)
    }

    fn slot_mut(&mut self, kind: Kind, (namespace, name): &Key) -> Option<&mut Slot> {
        let all = &mut self.kinds.get_mut(&kind)?.1;
        all.get_mut(&**namespace)?.get_mut(&**name)
    }

    fn forget_sizes(&mut self, kind: Kind) {
        let all = self.kinds.get_mut(&kind).into_iter();
        let slots = all.flat_map(|(_, all)| all.values_mut().flat_map(BTreeMap::values_mut));
        slots.for_each(|slot| slot.size = Room::default());
    }

    fn count(&self, kind: Kind) -> usize {
        self.kinds.get(&kind).map_or(0, |(count, _)| *count)
    }

    fn insert(&mut self, key: &Key, slot: Slot) {
        let (count, all) = self.kinds.entry(slot.object.kind()).or_default();
        let names = all.entry(key.0.clone()).or_default();
        *count += usize::from(names.insert(key.1.clone(), slot).is_none());
    }

    fn remove(&mut self, kind: Kind, (namespace, name): &Key) -> Option<Slot> {
        let (count, all) = self.kinds.get_mut(&kind)?;
        let names = all.get_mut(&**namespace)?;
        let slot = names.remove(&**name)?;
        *count -= 1;
        if names.is_empty() {
            all.remove(&**namespace);
        }
        Some(slot)
    }
}

/// Namespace and name.
pub(super) type Key = (Text, Text);

/// One of the collections that are watched.
#[derive(Debug)]
struct Collection {
    kind: Kind,
    namespace: Option<String>,
    /// Number of the list under way or of the last one.
    list: u32,
    /// Whether one was complete.
    listed: bool,
    /// Whether its objects wait for nothing any more.
    ready: bool,
}

/// The store.
#[derive(Debug)]
pub(super) struct Store {
    /// The kind that becomes targets.
    primary: Kind,
    attach: Attach,
    collections: Vec<Collection>,
    objects: Objects,
    names: Names,
    /// Primary objects whose groups have to be made anew, gone ones included.
    dirty: BTreeSet<Key>,
    /// Other objects that changed since the last update.
    touched: Touched,
    /// How much all groups are that were handed out.
    size: Room,
    /// Whether the manager was given everything once.
    complete: bool,
    /// Whether there are more targets than a provider may have.
    over: bool,
}

impl Store {
    /// An empty one for collections that are named by their index.
    pub(super) fn new(primary: Kind, attach: Attach, watched: &[Watched]) -> Store {
        let collections = watched.iter().map(|one| Collection {
            kind: one.kind,
            namespace: one.namespace.clone(),
            list: 0,
            listed: false,
            ready: false,
        });
        Store {
            primary,
            attach,
            collections: collections.collect(),
            objects: Objects::default(),
            names: Names::default(),
            dirty: BTreeSet::new(),
            touched: Touched::default(),
            size: Room::default(),
            complete: false,
            over: false,
        }
    }

    /// A list of a collection begins.
    pub(super) fn list_begins(&mut self, from: usize) {
        self.collections[from].list += 1;
    }

    /// Takes in a change. Says how it counts; nothing if the object is the same as before, or if
    /// there are too many already.
    pub(super) fn take(&mut self, from: usize, change: Change, object: Object) -> Option<Event> {
        let kind = object.kind();
        let meta = object.meta();
        let key = (meta.namespace.clone(), meta.name.clone());
        match change {
            Change::Deleted => self.delete(kind, &key),
            Change::Present => self.put(from, key, object),
        }
    }

    fn put(&mut self, from: usize, key: Key, object: Object) -> Option<Event> {
        let kind = object.kind();
        let list = self.collections[from].list;
        let full = self.objects.count(kind) >= limits::K8S_OBJECTS;
        let event = match self.objects.slot_mut(kind, &key) {
            Some(slot) => {
                (slot.from, slot.list) = (from, list);
                if slot.object == object {
                    return None;
                }
                slot.object = object;
                Event::Update
            }
            None if full => return None,
            None => {
                let slot = Slot {
                    object,
                    from,
                    list,
                    size: Room::default(),
                };
                self.objects.insert(&key, slot);
                Event::Add
            }
        };
        self.mark(kind, key);
        Some(event)
    }

    fn delete(&mut self, kind: Kind, key: &Key) -> Option<Event> {
        let slot = self.objects.remove(kind, key)?;
        self.size = self.size.without(slot.size);
        self.mark(kind, key.clone());
        Some(Event::Delete)
    }

    fn mark(&mut self, kind: Kind, key: Key) {
        if kind == self.primary {
            self.dirty.insert(key);
        } else {
            self.touched.add(kind, key);
        }
    }

    /// A list of a collection is complete: what it did not have is gone. Returns how many.
    pub(super) fn list_ends(&mut self, from: usize) -> usize {
        let collection = &mut self.collections[from];
        collection.listed = true;
        let (kind, list) = (collection.kind, collection.list);
        let stale = |slot: &&Slot| slot.from == from && slot.list != list;
        let slots = self.objects.slots(kind).filter(stale);
        let gone: Vec<Key> = slots
            .map(|slot| slot.object.meta())
            .map(|meta| (meta.namespace.clone(), meta.name.clone()))
            .collect();
        for key in &gone {
            self.delete(kind, key);
        }
        self.let_go();
        gone.len()
    }

    /// Finds collections of the primary kind that wait for nothing any more.
    fn let_go(&mut self) {
        let waits_for = |one: &Collection| {
            let namespace = one.namespace.clone();
            let mut others = self.collections.iter();
            others.any(|other| {
                let concerns = other.namespace.is_none() || other.namespace == namespace;
                concerns && !other.listed
            })
        };
        let ready: Vec<bool> = self.collections.iter().map(|one| !waits_for(one)).collect();
        for (collection, ready) in self.collections.iter_mut().zip(ready) {
            collection.ready = ready;
        }
    }

    /// Whether an update is due.
    pub(super) fn has_news(&self) -> bool {
        let ready = self
            .collections
            .iter()
            .any(|one| one.ready && one.kind == self.primary);
        let first = !self.complete && self.collections.iter().all(|one| one.listed);
        first || (ready && (!self.dirty.is_empty() || !self.touched.is_empty()))
    }

    /// The groups that changed since the last update, or all of them where the manager may hold
    /// others. Nothing while there are too many targets, which the manager was told once.
    pub(super) fn update(&mut self) -> Option<Update> {
        self.spread();
        let all_listed = self.collections.iter().all(|one| one.listed);
        if all_listed && !self.complete {
            self.complete = true;
            return self.everything();
        }
        let (groups, cut) = self.changed();
        let too_many = self.size.exceeds();
        match (std::mem::replace(&mut self.over, too_many), too_many) {
            (true, true) => None,
            (true, false) => self.everything(),
            // What was cut short for want of room has some: others shrank after it.
            (false, false) if cut => self.everything(),
            _ if groups.is_empty() => None,
            _ => Some(Update::Changed(groups)),
        }
    }

    /// Marks the primary objects that are joined with something that changed.
    fn spread(&mut self) {
        if self.touched.is_empty() {
            return;
        }
        let mut touched = std::mem::take(&mut self.touched);
        touched.add_pods_of_owners(&self.objects);
        for object in self.objects.of(self.primary) {
            if touched.concerns(object) {
                let meta = object.meta();
                self.dirty
                    .insert((meta.namespace.clone(), meta.name.clone()));
            }
        }
    }

    fn everything(&mut self) -> Option<Update> {
        self.dirty.clear();
        let keys = self.objects.of(self.primary).map(Object::meta);
        self.dirty = sorting::set(keys.map(|meta| (meta.namespace.clone(), meta.name.clone())));
        // From nothing on they only grow: what is cut short is too much in the end.
        self.size = Room::default();
        self.objects.forget_sizes(self.primary);
        let (groups, _) = self.changed();
        self.over = self.size.exceeds();
        Some(Update::Full(groups))
    }

    /// Makes the groups of what is dirty and waits for nothing. Says whether one of them may have
    /// been cut short.
    fn changed(&mut self) -> (Vec<TargetGroup>, bool) {
        let (mut groups, mut cut) = (Vec::new(), false);
        let mut waiting = BTreeSet::new();
        for key in std::mem::take(&mut self.dirty) {
            let Some(slot) = self.objects.slot(self.primary, &key.0, &key.1) else {
                groups.push(gone(self.primary, &key));
                continue;
            };
            if !self.collections[slot.from].ready {
                waiting.insert(key);
                continue;
            }
            let others = self.size.without(slot.size);
            let joined = Joined {
                objects: &self.objects,
                attach: self.attach,
                room: Room::ALL.without(others),
            };
            let group = role::group(&slot.object, &joined, &mut self.names);
            let group = group.unwrap_or_else(|| gone(self.primary, &key));
            let size = Room {
                targets: group.targets.len(),
                bytes: weight(&group.labels, &group.targets),
            };
            if let Some(slot) = self.objects.slot_mut(self.primary, &key) {
                slot.size = size;
            }
            self.size = others.with(size);
            cut |= self.size.exceeds();
            groups.push(group);
        }
        self.dirty = waiting;
        (groups, cut)
    }
}

/// The group of an object that is no more.
fn gone(kind: Kind, (namespace, name): &Key) -> TargetGroup {
    TargetGroup {
        source: role::source(kind, namespace, name),
        ..TargetGroup::default()
    }
}

#[cfg(test)]
mod tests;
