use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::discovery::manager::{Manager, ProviderId, Subscription, Update};
use crate::model::target_group::TargetGroup;
use crate::model::time::Mono;

const ID: ProviderId = ProviderId(1);

/// Data that begins with `t` is a target.
fn parse(data: &[u8], path: &str) -> Result<LabelMap, String> {
    match data.first() {
        Some(b't') => {
            let text = String::from_utf8_lossy(data).into_owned();
            Ok(LabelMap::from([
                ("__address__".to_owned(), text),
                ("path".to_owned(), path.to_owned()),
            ]))
        }
        _ => Err("no target".to_owned()),
    }
}

fn tree(roots: &[&str]) -> Tree {
    let roots: Vec<String> = roots.iter().map(|root| (*root).to_owned()).collect();
    Tree::new(&roots, parse)
}

fn parent(path: &str) -> Option<&str> {
    match path.rsplit_once('/')? {
        (_, "") => None,
        ("", _) => Some("/"),
        (parent, _) => Some(parent),
    }
}

fn name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// A message from a server.
#[derive(Clone, Debug)]
enum Message {
    Answer(Question, Result<Answer, Code>),
    Event(Change, String),
}

/// A ZooKeeper server with one client: nodes, watches that are spent once, a connection that keeps
/// the order in both directions.
#[derive(Debug, Default)]
struct World {
    nodes: BTreeMap<String, Vec<u8>>,
    data_watches: BTreeSet<String>,
    child_watches: BTreeSet<String>,
    to_server: VecDeque<Question>,
    to_client: VecDeque<Message>,
}

impl World {
    fn fire(&mut self, change: Change, path: &str, of_children: bool) {
        let watches = match of_children {
            true => &mut self.child_watches,
            false => &mut self.data_watches,
        };
        if watches.remove(path) {
            self.to_client
                .push_back(Message::Event(change, path.to_owned()));
        }
    }

    fn create(&mut self, path: &str, data: &str) {
        let parent_there = parent(path).is_none_or(|it| it == "/" || self.nodes.contains_key(it));
        if !parent_there || self.nodes.contains_key(path) {
            return;
        }
        self.nodes.insert(path.to_owned(), data.into());
        self.fire(Change::Created, path, false);
        if let Some(parent) = parent(path) {
            self.fire(Change::Children, parent, true);
        }
    }

    fn set(&mut self, path: &str, data: &str) {
        if let Some(place) = self.nodes.get_mut(path) {
            *place = data.into();
            self.fire(Change::Data, path, false);
        }
    }

    fn children_of(&self, path: &str) -> Vec<String> {
        let mut keys = self.nodes.keys();
        let below = |key: &&String| parent(key) == Some(path);
        keys.by_ref()
            .filter(below)
            .map(|key| name(key).to_owned())
            .collect()
    }

    /// From the leaves up, as clients have to.
    fn delete(&mut self, path: &str) {
        for child in self.children_of(path) {
            self.delete(&join(path, &child));
        }
        if self.nodes.remove(path).is_some() {
            self.fire(Change::Deleted, path, false);
            self.fire(Change::Deleted, path, true);
            if let Some(parent) = parent(path) {
                self.fire(Change::Children, parent, true);
            }
        }
    }

    /// The server takes one question up.
    fn serve(&mut self) {
        let Some(question) = self.to_server.pop_front() else {
            return;
        };
        let path = question.path.clone();
        let found = self.nodes.get(&path).cloned();
        let there = found.is_some() || path == "/";
        if there || question.what == What::Exists {
            match question.what {
                What::Children => self.child_watches.insert(path.clone()),
                What::Data | What::Exists => self.data_watches.insert(path.clone()),
            };
        }
        let answer = there.then(|| match question.what {
            What::Exists => Answer::Exists,
            What::Data => Answer::Data(found.unwrap_or_default()),
            What::Children => Answer::Children(self.children_of(&path)),
        });
        let answer = answer.ok_or(Code::NO_NODE);
        self.to_client.push_back(Message::Answer(question, answer));
    }

    /// The client takes one message up.
    fn deliver(&mut self, tree: &mut Tree) {
        match self.to_client.pop_front() {
            Some(Message::Answer(question, answer)) => {
                tree.answer(question, answer).expect("small");
            }
            Some(Message::Event(change, path)) => tree.event(change, &path),
            None => {}
        }
    }

    fn send(&mut self, tree: &mut Tree) {
        self.to_server.extend(tree.question());
    }

    /// The connection breaks and there is a new one.
    fn reconnect(&mut self, tree: &mut Tree) {
        self.to_server.clear();
        self.to_client.clear();
        self.data_watches.clear();
        self.child_watches.clear();
        tree.read_again();
    }

    /// Until there is nothing left to say.
    fn settle(&mut self, tree: &mut Tree) {
        for _ in 0..100_000 {
            self.send(tree);
            self.serve();
            self.deliver(tree);
            let quiet = self.to_server.is_empty() && self.to_client.is_empty();
            if quiet && tree.is_idle() {
                return;
            }
        }
        panic!("it never ends");
    }
}

fn whole(tree: &mut Tree) -> Vec<TargetGroup> {
    tree.targets().restate();
    match tree.targets().update() {
        Some(Update::Full(groups)) => groups,
        other => panic!("{other:?}"),
    }
}

fn fresh(world: &mut World, roots: &[&str]) -> Vec<TargetGroup> {
    let mut tree = tree(roots);
    world.reconnect(&mut tree);
    world.settle(&mut tree);
    whole(&mut tree)
}

#[derive(Clone, Debug)]
enum Act {
    Create(usize, u8),
    Set(usize, u8),
    Delete(usize),
    Send,
    Serve,
    Deliver,
    Reconnect,
    ReadAgain,
    PassOn,
}

const PATHS: [&str; 9] = [
    "/r", "/r/a", "/r/b", "/r/a/x", "/r/a/y", "/r/a/x/1", "/q", "/q/z", "/other",
];

fn act() -> impl Strategy<Value = Act> {
    let path = || 0..PATHS.len();
    prop_oneof![
        5 => (path(), any::<u8>()).prop_map(|(path, tag)| Act::Create(path, tag)),
        3 => (path(), any::<u8>()).prop_map(|(path, tag)| Act::Set(path, tag)),
        3 => path().prop_map(Act::Delete),
        8 => Just(Act::Send),
        8 => Just(Act::Serve),
        8 => Just(Act::Deliver),
        1 => Just(Act::Reconnect),
        1 => Just(Act::ReadAgain),
        2 => Just(Act::PassOn),
    ]
}

/// Three kinds of data: a target, something else, nothing.
fn data(tag: u8) -> String {
    match tag % 4 {
        0 | 1 => format!("t{tag}"),
        2 => "junk".to_owned(),
        _ => String::new(),
    }
}

fn carry_out(act: &Act, world: &mut World, tree: &mut Tree) {
    match act {
        Act::Create(path, tag) => world.create(PATHS[*path], &data(*tag)),
        Act::Set(path, tag) => world.set(PATHS[*path], &data(*tag)),
        Act::Delete(path) => world.delete(PATHS[*path]),
        Act::Send => world.send(tree),
        Act::Serve => world.serve(),
        Act::Deliver => world.deliver(tree),
        Act::Reconnect => world.reconnect(tree),
        Act::ReadAgain => tree.read_again(),
        Act::PassOn => {}
    }
}

fn pass_on(tree: &mut Tree, manager: &mut Manager) {
    if let Some(update) = tree.targets().update() {
        manager.update(Mono(1), ID, update).expect("few");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1500) })]

    /// However changes, messages and breaks are interleaved, in the end the tree, and whoever took
    /// its updates, has what a fresh reading finds.
    #[test]
    fn any_history_ends_as_a_fresh_reading(acts in prop::collection::vec(act(), 0..120)) {
        let roots = ["/r", "/q"];
        let (mut world, mut tree) = (World::default(), tree(&roots));
        let mut manager = Manager::new(std::time::Duration::ZERO);
        let subscription = Subscription { job: "j".into(), providers: vec![ID] };
        manager.apply(Mono(0), vec![subscription], BTreeSet::new());
        world.reconnect(&mut tree);
        for act in &acts {
            carry_out(act, &mut world, &mut tree);
            if matches!(act, Act::PassOn) {
                pass_on(&mut tree, &mut manager);
            }
        }
        world.settle(&mut tree);
        pass_on(&mut tree, &mut manager);
        let published: Vec<Arc<TargetGroup>> = manager.sets().remove("j").unwrap_or_default();
        let published: Vec<TargetGroup> = published.iter().map(|one| (**one).clone()).collect();
        let bytes = tree.nodes.keys().map(String::len).sum::<usize>();
        prop_assert_eq!(tree.bytes, bytes);
        let expected = fresh(&mut world, &roots);
        prop_assert_eq!(&published, &expected);
        prop_assert_eq!(whole(&mut tree), expected);
    }
}

/// A tree of three nodes that has been read.
fn read() -> (World, Tree) {
    let mut world = World::default();
    world.create("/r", "");
    world.create("/r/a", "ta");
    world.create("/r/b", "tb");
    let mut tree = tree(&["/r"]);
    world.reconnect(&mut tree);
    world.settle(&mut tree);
    tree.targets().update();
    (world, tree)
}

#[test]
fn nothing_is_lost_while_everything_is_read_again() {
    let (mut world, mut tree) = read();
    world.delete("/r/b");
    world.reconnect(&mut tree);
    for _ in 0..3 {
        world.send(&mut tree);
        world.serve();
        world.deliver(&mut tree);
        assert!(whole(&mut tree).iter().any(|group| group.source == "/r/a"));
    }
    world.settle(&mut tree);
    assert_eq!(whole(&mut tree).len(), 1);
}

#[test]
fn a_path_that_is_not_there_is_waited_for() {
    let mut world = World::default();
    let mut tree = tree(&["/r"]);
    world.reconnect(&mut tree);
    world.settle(&mut tree);
    assert_eq!(tree.remark().expect("told"), "path /r does not exist");
    world.create("/r", "t1");
    world.settle(&mut tree);
    assert_eq!((whole(&mut tree).len(), tree.remark()), (1, None));
    world.delete("/r");
    world.settle(&mut tree);
    assert_eq!(whole(&mut tree), []);
    world.create("/r", "t2");
    world.settle(&mut tree);
    assert_eq!(whole(&mut tree).len(), 1, "and again");
}

#[test]
fn broken_leaves_are_told_and_folders_hold_what_they_like() {
    let (mut world, mut tree) = read();
    world.set("/r", "notes");
    world.settle(&mut tree);
    assert_eq!(tree.remark(), None);
    world.set("/r/a", "junk");
    world.settle(&mut tree);
    let told = tree.remark().expect("told");
    assert!(told.contains("\"/r/a\": no target"), "{told}");
    world.create("/r/a/1", "t1");
    world.settle(&mut tree);
    assert_eq!(tree.remark(), None, "now a folder");
}

#[test]
fn a_node_that_we_may_not_read_keeps_what_was_known_of_it() {
    let (_, mut tree) = read();
    let question = Question {
        what: What::Data,
        path: "/r/a".to_owned(),
    };
    tree.answer(question, Err(Code::NO_AUTH))
        .expect("no failure");
    assert_eq!(whole(&mut tree).len(), 2);
    let told = tree.remark().expect("told");
    assert!(told.contains("not allowed to read /r/a"), "{told}");
}

#[test]
fn trouble_of_the_server_is_an_error() {
    let (_, mut tree) = read();
    let question = Question {
        what: What::Data,
        path: "/r/a".to_owned(),
    };
    let error = tree.answer(question, Err(Code(-1))).expect_err("trouble");
    assert_eq!(error.to_string(), "cannot read /r/a: system error (-1)");
    assert_eq!(whole(&mut tree).len(), 2, "nothing is known to be gone");
}

#[test]
fn trees_without_end_are_refused() {
    let children = |path: &str| Question {
        what: What::Children,
        path: path.to_owned(),
    };
    let mut wide = tree(&["/r"]);
    wide.read_again();
    let names: Vec<String> = (0..=limits::STORE_KEYS).map(|n| n.to_string()).collect();
    let done = wide.answer(children("/r"), Ok(Answer::Children(names)));
    assert_eq!(done, Err(TooMuch::Keys.into()));
    let mut deep = tree(&["/r"]);
    deep.read_again();
    let mut path = "/r".to_owned();
    let name = "x".repeat(1000);
    let error = loop {
        let answer = Answer::Children(vec![name.clone()]);
        match deep.answer(children(&path), Ok(answer)) {
            Ok(()) => path = join(&path, &name),
            Err(error) => break error,
        }
    };
    assert_eq!(error, TreeError::Path);
    let mut odd = tree(&["/r"]);
    odd.read_again();
    let names = vec!["../etc".to_owned(), String::new(), "fine".to_owned()];
    odd.answer(children("/r"), Ok(Answer::Children(names)))
        .expect("kept out");
    assert_eq!(odd.nodes.keys().collect::<Vec<_>>(), ["/r", "/r/fine"]);
}

#[test]
fn paths_inside_others_are_read_once() {
    let tree = tree(&["/r/a", "/r", "/r", "/rest"]);
    assert_eq!(tree.roots, ["/r", "/rest"]);
    assert_eq!(
        super::Tree::new(&["/".to_owned(), "/r".to_owned()], parse).roots,
        ["/"]
    );
    assert_eq!(
        (join("/", "a"), join("/a", "b")),
        ("/a".to_owned(), "/a/b".to_owned())
    );
}
