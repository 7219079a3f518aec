//! Which names a cell defines and which it uses, by its tokens alone: no compiler is asked, so it works while the kernel
//! starts, and on cells that do not compile. It may take a field for a name that is only called alike; it then marks a
//! cell as stale that is not, which costs a look.

use std::collections::BTreeSet;

use super::code::{Class, Token, is_primitive, tokens};

/// The names of a cell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// Variables that it makes or changes.
    pub variables: BTreeSet<String>,
    /// Functions, types, constants, macros and imports that it makes.
    pub items: BTreeSet<String>,
    /// Names that it needs from elsewhere.
    pub uses: BTreeSet<String>,
}

impl Names {
    /// The names in a cell of Rust.
    pub fn of(source: &str) -> Self {
        let all = tokens(source, false);
        let tokens: Vec<&Token> = all.iter().filter(|token| token.class != Class::Comment).collect();
        Reader { source, tokens, at: 0, names: Self::default(), depth: 0, locals: vec![BTreeSet::new()] }.read()
    }

    /// Whether it makes this name.
    pub fn defines(&self, name: &str) -> bool {
        self.variables.contains(name) || self.items.contains(name)
    }

    /// Every name that it makes.
    pub fn defined(&self) -> impl Iterator<Item = &String> {
        self.variables.iter().chain(&self.items)
    }
}

struct Reader<'a> {
    source: &'a str,
    tokens: Vec<&'a Token>,
    at: usize,
    names: Names,
    depth: usize,
    /// Names made in blocks that are open, outermost first; the first holds what the cell itself makes.
    locals: Vec<BTreeSet<String>>,
}

impl Reader<'_> {
    fn word(&self, at: usize) -> &str {
        self.tokens.get(at).map_or("", |token| &self.source[token.range.clone()])
    }

    fn class(&self, at: usize) -> Class {
        self.tokens.get(at).map_or(Class::Sign, |token| token.class)
    }

    fn is_name(&self, at: usize) -> bool {
        matches!(self.class(at), Class::Name | Class::Function | Class::Type) && at < self.tokens.len()
    }

    fn top(&self) -> bool {
        self.depth == 0
    }

    fn read(mut self) -> Names {
        while self.at < self.tokens.len() {
            let word = self.word(self.at).to_owned();
            match (self.class(self.at), word.as_str()) {
                (_, "{") => {
                    self.depth += 1;
                    self.locals.push(BTreeSet::new());
                }
                (_, "}") => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.locals.len() > 1 {
                        self.locals.pop();
                    }
                }
                (Class::Keyword, "let") => self.binding(),
                (Class::Keyword, "for") => self.pattern_until("in"),
                (Class::Keyword, "fn") => self.function(),
                (Class::Keyword, "struct" | "enum" | "trait" | "type" | "const" | "static" | "mod")
                | (Class::Macro, "macro_rules!") => self.item(),
                (Class::Keyword, "use") => self.import(),
                (Class::Keyword, "extern") if self.word(self.at + 1) == "crate" => self.at += 1,
                (Class::Sign, "|") if self.begins_closure() => self.closure(),
                (Class::Name | Class::Function | Class::Type, _) => self.used(&word),
                (Class::Macro, _) => self.used(word.trim_end_matches('!')),
                (Class::Text, _) => self.formatted(&word),
                _ => {}
            }
            self.at += 1;
        }
        self.names
    }

    /// `let a = …`, `let (a, mut b): T = …`, `if let Some(a) = …`.
    fn binding(&mut self) {
        let conditional = matches!(self.word(self.at.wrapping_sub(1)), "if" | "while" | "&");
        let mut made = Vec::new();
        let mut nesting = 0_usize;
        let mut typed = false;
        self.at += 1;
        while self.at < self.tokens.len() {
            let word = self.word(self.at).to_owned();
            match word.as_str() {
                "(" | "[" | "{" | "<" => nesting += 1,
                ")" | "]" | "}" | ">" => nesting = nesting.saturating_sub(1),
                ":" if nesting == 0 => typed = true,
                "=" | ";" if nesting == 0 => break,
                _ if typed && self.is_name(self.at) => self.used(&word),
                _ if self.class(self.at) == Class::Name => made.push(word),
                _ if self.is_name(self.at) => self.used(&word),
                _ => {}
            }
            self.at += 1;
        }
        // What it is made of stands before it is made: `let x = x + 1` uses the x from elsewhere.
        let end = self.end_of_statement();
        let begin = self.at + 1;
        self.uses_between(begin, end);
        for name in made {
            if self.top() && !conditional {
                self.names.variables.insert(name.clone());
            }
            if let Some(scope) = self.locals.last_mut() {
                scope.insert(name);
            }
        }
    }

    /// Where a statement that begins here ends, without going into what follows.
    fn end_of_statement(&self) -> usize {
        let mut nesting = 0_usize;
        for at in self.at..self.tokens.len() {
            match self.word(at) {
                "{" | ";" | ")" | "]" if nesting == 0 => return at,
                "(" | "[" => nesting += 1,
                ")" | "]" => nesting -= 1,
                _ => {}
            }
        }
        self.tokens.len()
    }

    /// The names from here to there are needed, whatever is made in between.
    fn uses_between(&mut self, begin: usize, end: usize) {
        let closures = (begin..end).any(|at| self.word(at) == "|");
        if closures {
            return;
        }
        let back = self.at;
        for at in begin..end {
            self.at = at;
            let word = self.word(at).to_owned();
            match self.class(at) {
                Class::Name | Class::Function | Class::Type => self.used(&word),
                Class::Macro => self.used(word.trim_end_matches('!')),
                Class::Text => self.formatted(&word),
                _ => {}
            }
        }
        self.at = back.max(end.saturating_sub(1));
    }

    fn pattern_until(&mut self, end: &str) {
        // `impl Trait for Type` has no pattern.
        let loops = self.tokens[self.at..].iter().take(24).any(|token| &self.source[token.range.clone()] == end);
        if !loops {
            return;
        }
        self.locals.push(BTreeSet::new());
        while self.at < self.tokens.len() && self.word(self.at) != end {
            if self.class(self.at) == Class::Name {
                let name = self.word(self.at).to_owned();
                if let Some(scope) = self.locals.last_mut() {
                    scope.insert(name);
                }
            }
            self.at += 1;
        }
    }

    fn function(&mut self) {
        if !self.is_name(self.at + 1) {
            return;
        }
        self.item();
        // Its parameters are its own.
        let mut scope = BTreeSet::new();
        let mut nesting = 0_usize;
        while self.at + 1 < self.tokens.len() {
            let next = self.word(self.at + 1).to_owned();
            match next.as_str() {
                "(" | "<" => nesting += 1,
                ")" => nesting = nesting.saturating_sub(1),
                "{" | ";" if nesting == 0 || next == "{" => break,
                _ if self.word(self.at + 2) == ":" || self.word(self.at) == "<" => {
                    scope.insert(next);
                }
                _ if self.is_name(self.at + 1) => {
                    self.at += 1;
                    if !scope.contains(&next) {
                        self.used(&next);
                    }
                    continue;
                }
                _ => {}
            }
            self.at += 1;
        }
        self.locals.push(scope);
        // The brace that follows opens a block of its own, which closes this one too.
        if self.word(self.at + 1) == "{" {
            self.at += 1;
            self.depth += 1;
        } else {
            self.locals.pop();
        }
    }

    fn item(&mut self) {
        let at = if self.word(self.at + 1) == "mut" { self.at + 2 } else { self.at + 1 };
        if !self.is_name(at) {
            return;
        }
        let name = self.word(at).to_owned();
        self.at = at;
        if self.top() {
            self.names.items.insert(name.clone());
        }
        if let Some(scope) = self.locals.last_mut() {
            scope.insert(name);
        }
    }

    /// `use a::b::{c, d as e};` makes c and e.
    fn import(&mut self) {
        let first = self.word(self.at + 1).to_owned();
        if self.is_name(self.at + 1) {
            self.used(&first);
        }
        while self.at < self.tokens.len() && self.word(self.at) != ";" {
            let next = self.word(self.at + 1).to_owned();
            let ends = matches!(next.as_str(), ";" | "," | "}") || self.at + 1 >= self.tokens.len();
            if self.is_name(self.at) && ends {
                let name = self.word(self.at).to_owned();
                if self.top() {
                    self.names.items.insert(name.clone());
                }
                if let Some(scope) = self.locals.last_mut() {
                    scope.insert(name);
                }
            }
            self.at += 1;
        }
    }

    /// Whether a bar begins the parameters of a closure and is no `or`.
    fn begins_closure(&self) -> bool {
        let before = self.word(self.at.wrapping_sub(1));
        self.at == 0 || matches!(before, "(" | "," | "=" | "{" | ";" | "move" | "return" | ">")
    }

    fn closure(&mut self) {
        self.at += 1;
        while self.at < self.tokens.len() && self.word(self.at) != "|" {
            let name = self.word(self.at).to_owned();
            if self.class(self.at) == Class::Name {
                if let Some(scope) = self.locals.last_mut() {
                    scope.insert(name);
                }
            } else if self.is_name(self.at) {
                self.used(&name);
            }
            self.at += 1;
        }
    }

    fn used(&mut self, name: &str) {
        let before = self.word(self.at.wrapping_sub(1));
        let field = self.at > 0 && before == "." && self.word(self.at.wrapping_sub(2)) != ".";
        let path = self.at > 1 && before == ":" && self.word(self.at - 2) == ":";
        // `Point { x: 1 }` names a field, `f::<T>()` a type.
        let label = self.word(self.at + 1) == ":" && self.word(self.at + 2) != ":";
        if field || path || label || is_primitive(name) {
            return;
        }
        let assigned = self.top() && self.assigns();
        if assigned {
            self.names.variables.insert(name.to_owned());
        }
        let plain = assigned && self.word(self.at + 1) == "=";
        if !plain && !self.locals.iter().any(|scope| scope.contains(name)) {
            self.names.uses.insert(name.to_owned());
        }
    }

    /// `x = …`, `x += …` at the beginning of a statement.
    fn assigns(&self) -> bool {
        let begins = self.at == 0 || matches!(self.word(self.at - 1), ";" | "}" | "{");
        let (one, two, three) = (self.word(self.at + 1), self.word(self.at + 2), self.word(self.at + 3));
        let plain = one == "=" && two != "=" && two != ">";
        let compound = matches!(one, "+" | "-" | "*" | "/" | "%" | "&" | "|" | "^") && two == "=" && three != "=";
        begins && (plain || compound)
    }

    /// Names in the braces of a text that is formatted: `"{loss:.3}"`.
    fn formatted(&mut self, text: &str) {
        for piece in text.split('{').skip(1) {
            let end = piece.find(|c: char| c != '_' && !c.is_alphanumeric()).unwrap_or(piece.len());
            let name = &piece[..end];
            let ends = piece[end..].starts_with(['}', ':']);
            if ends
                && name.starts_with(|c: char| c == '_' || c.is_alphabetic())
                && !self.locals.iter().any(|it| it.contains(name))
            {
                self.names.uses.insert(name.to_owned());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(source: &str, variables: &str, items: &str, uses: &str) {
        let names = Names::of(source);
        let words = |set: &BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>().join(" ");
        let found = (words(&names.variables), words(&names.items), words(&names.uses));
        assert_eq!(found, (variables.to_owned(), items.to_owned(), uses.to_owned()), "{source}");
    }

    #[test]
    fn variables_items_and_uses_are_told_apart() {
        check("let r = run(\"latest\");", "r", "", "run");
        check("let x = x + 1;", "x", "", "x");
        check("let (a, mut b): (u8, Foo) = f(c);", "a b", "", "Foo c f");
        check("r.metrics().last(5)", "", "", "r");
        check("total += step; best = 3;", "best total", "", "step total");
        check("fn f(x: f64) -> Foo { let y = x * k; y }", "", "f", "Foo k");
        check("struct P { x: f64 }\nconst N: usize = M;", "", "N P", "M");
        check("use std::collections::{HashMap, BTreeMap as Tree};", "", "HashMap Tree", "std");
        check("for i in 0..n { println!(\"{i} {w:.2}\"); }", "", "", "n println w");
        check("xs.iter().map(|x| x * k).sum::<f64>()", "", "", "k xs");
        check("if let Some(v) = opt { v } else { d }", "", "", "Some d opt");
        check("{ let inner = 1; inner }", "", "", "");
        check("// let x = 1;\n\"x\"", "", "", "");
        check("P { x: 1, y: z }", "", "", "P z");
    }

    #[test]
    fn broken_code_is_read_as_far_as_it_goes() {
        let pieces = [
            "let", "(", ")", "{", "}", "|", "=", "x", "fn", "f", ";", "for", "in", "use", ":", "::", "<", ".",
            "\"{a}\"", "struct",
        ];
        let mut seed = 0xfeed_u64;
        for _ in 0..20_000 {
            let mut source = String::new();
            for _ in 0..10 {
                seed ^= seed << 13;
                seed ^= seed >> 7;
                seed ^= seed << 17;
                source.push_str(pieces[(seed % pieces.len() as u64) as usize]);
                source.push(' ');
            }
            Names::of(&source);
        }
    }
}
