//! A policy as Python compiled it: names as they are compared, and the tree of the pointers.

use std::collections::{HashMap, HashSet};

#[derive(Default)]
struct Node {
    steps: HashMap<Vec<u8>, usize>,
    wild: Option<usize>,
    sensitive: bool,
    excluded: bool,
}

/// Labels are numbers: what they mean is Python's.
pub struct Policy {
    names: Labels,
    excluded: HashSet<Vec<u8>>,
    nodes: Vec<Node>,
    pub pointer_label: u32,
    pub marker_label: u32,
    /// The member `event_id` is published as it is.
    pub id_is_public: bool,
}

/// Labels by names.  Most names of an event are as long as none of a policy's, and are not even compared.
struct Labels {
    /// By the name's length.
    short: Vec<Vec<(Vec<u8>, u32)>>,
    all: HashMap<Vec<u8>, u32>,
}

impl Labels {
    fn new(names: Vec<(String, u32)>) -> Self {
        let all: HashMap<_, _> = names.into_iter().map(|(name, label)| (name.into_bytes(), label)).collect();
        let mut short = vec![Vec::new(); SHORT + 1];
        for (name, label) in all.iter().filter(|(name, _)| name.len() <= SHORT) {
            short[name.len()].push((name.clone(), *label));
        }
        Labels { short, all }
    }

    fn get(&self, name: &[u8]) -> Option<u32> {
        match self.short.get(name.len()) {
            Some(few) if few.len() <= FEW => few.iter().find(|(one, _)| one == name).map(|(_, label)| *label),
            _ => self.all.get(name).copied(),
        }
    }
}

/// Nodes of the pointers' tree that a walk stands on.
pub type Nodes = Vec<usize>;

/// A name as it is compared is not longer than this, or it is no name of a policy of usual size.
const SHORT: usize = 64;

/// Names of one length up to which they are compared one by one; beyond, they are hashed.
const FEW: usize = 8;

impl Policy {
    #[must_use]
    pub fn new(
        names: Vec<(String, u32)>,
        excluded: Vec<String>,
        pointers: &[(Vec<String>, bool)],
        pointer_label: u32,
        marker_label: u32,
        id_is_public: bool,
    ) -> Self {
        let mut policy = Policy {
            names: Labels::new(names),
            excluded: excluded.into_iter().map(String::into_bytes).collect(),
            nodes: vec![Node::default()],
            pointer_label,
            marker_label,
            id_is_public,
        };
        for (steps, excludes) in pointers {
            policy.plant(steps, *excludes);
        }
        policy
    }

    fn plant(&mut self, steps: &[String], excludes: bool) {
        let mut at = 0;
        for step in steps {
            let fresh = self.nodes.len();
            let node = &mut self.nodes[at];
            at = if step == "*" {
                *node.wild.get_or_insert(fresh)
            } else {
                *node.steps.entry(step.clone().into_bytes()).or_insert(fresh)
            };
            if at == fresh {
                self.nodes.push(Node::default());
            }
        }
        self.nodes[at].sensitive |= !excludes;
        self.nodes[at].excluded |= excludes;
    }

    /// Where a walk begins; empty where the policy has no pointers.
    #[must_use]
    pub fn root(&self) -> Nodes {
        if self.nodes.len() > 1 {
            vec![0]
        } else {
            Vec::new()
        }
    }

    /// Where one step leads; a member named `*` is matched by `*` alone.
    #[must_use]
    pub fn advance(&self, nodes: &[usize], step: &[u8]) -> Nodes {
        let mut after = Vec::new();
        for node in nodes {
            let node = &self.nodes[*node];
            after.extend(node.wild);
            if step != b"*" {
                after.extend(node.steps.get(step));
            }
        }
        after
    }

    /// The label under which an array's element is sensitive.
    #[must_use]
    pub fn element(&self, nodes: &[usize]) -> Option<u32> {
        let excluded = nodes.iter().any(|node| self.nodes[*node].excluded);
        let sensitive = nodes.iter().any(|node| self.nodes[*node].sensitive);
        (sensitive && !excluded).then_some(self.pointer_label)
    }

    /// The label under which a member is sensitive; `nodes` are those behind its step.
    #[must_use]
    pub fn member(&self, name: &[u8], nodes: &[usize]) -> Option<u32> {
        let (label, excluded) = self.by_name(name);
        if excluded || nodes.iter().any(|node| self.nodes[*node].excluded) {
            return None;
        }
        label.or_else(|| self.element(nodes))
    }

    fn by_name(&self, name: &[u8]) -> (Option<u32>, bool) {
        let mut room = [0; SHORT + 1];
        let mut long = Vec::new();
        let normal: &[u8] = if name.len() <= SHORT {
            let mut length = 0;
            for byte in name {
                // Written in any case, kept where it counts: a branch for each byte would cost more.
                room[length] = byte.to_ascii_lowercase();
                length += usize::from(!is_separator(*byte));
            }
            &room[..length]
        } else {
            long.extend(name.iter().filter(|byte| !is_separator(**byte)).map(u8::to_ascii_lowercase));
            &long
        };
        (self.names.get(normal), !self.excluded.is_empty() && self.excluded.contains(normal))
    }
}

fn is_separator(byte: u8) -> bool {
    matches!(byte, b'_' | b'-' | b'.' | b' ')
}
