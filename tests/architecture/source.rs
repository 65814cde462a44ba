//! One file of source as the rules see it: where it is and what it names. Judges nothing.

use proc_macro2::{Span, TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// A path that a file names, as `crate::domain::money::Money` or `std::env::var`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Use {
    pub(crate) path: Vec<String>,
    pub(crate) line: usize,
    /// Whether it stands in code that is compiled for tests only.
    pub(crate) in_test: bool,
}

/// A function that is longer than others.
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) line: usize,
    pub(crate) lines: usize,
}

/// A parsed file.
pub(crate) struct Source {
    /// `src/domain/money.rs`
    pub(crate) file: String,
    /// Whether the whole file is compiled for tests only.
    pub(crate) is_test: bool,
    pub(crate) opens_with_docs: bool,
    pub(crate) lines: usize,
    pub(crate) uses: Vec<Use>,
    pub(crate) functions: Vec<Function>,
    /// The files, as `src/domain/money/tests`, that this one declares for tests only.
    pub(crate) test_modules: Vec<String>,
}

impl Source {
    /// Parses `text`. `crates` are the outside crates that a path may begin with, besides std's.
    pub(crate) fn parse(file: &str, text: &str, crates: &[String]) -> syn::Result<Self> {
        let syntax = syn::parse_file(text)?;
        let children = children(&syntax);
        let shadowed = shadowing(&syntax);
        let mut reader = Reader { crates, children, shadowed, folder: folder(file), ..Reader::default() };
        reader.visit_file(&syntax);
        Ok(Self {
            file: file.to_owned(),
            is_test: false,
            opens_with_docs: text.starts_with("//!"),
            lines: text.lines().count(),
            uses: reader.uses,
            functions: reader.functions,
            test_modules: reader.test_modules,
        })
    }

    /// The way from `src` to this module: `["adapters", "kafka", "consumer"]`, `["domain"]`, `["main"]`.
    pub(crate) fn module(&self) -> Vec<&str> {
        let inner = self.file.trim_start_matches("src/").trim_end_matches(".rs");
        let mut module: Vec<_> = inner.split('/').collect();
        if module.last() == Some(&"mod") {
            module.pop();
        }
        module
    }

    /// Whether this file is the module at `stem` (as `src/domain/money/tests`) or inside it.
    pub(crate) fn is_module(&self, stem: &str) -> bool {
        self.file.strip_prefix(stem).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
    }
}

/// Where the modules that a file declares are: `src/domain/money` for `src/domain/money.rs`.
fn folder(file: &str) -> String {
    let stem = file.trim_end_matches(".rs");
    ["/mod", "/lib", "/main"].iter().find_map(|end| stem.strip_suffix(end)).unwrap_or(stem).to_owned()
}

/// The modules that the file declares: `pub use child::Thing` stays at home.
fn children(file: &syn::File) -> Vec<String> {
    let modules = file.items.iter().filter_map(|item| match item {
        syn::Item::Mod(module) => Some(module.ident.to_string()),
        _ => None,
    });
    modules.collect()
}

/// What the file imports under a name of its own: after `use tokio::time`, `time` means no crate.
fn shadowing(file: &syn::File) -> Vec<String> {
    let imports = file.items.iter().filter_map(|item| match item {
        syn::Item::Use(item) => Some(flatten(&item.tree)),
        _ => None,
    });
    imports.flatten().filter(|path| path.len() > 1).filter_map(|mut path| path.pop()).collect()
}

/// Every path of a `use`, without its braces. A renamed item is listed under its own name.
fn flatten(tree: &syn::UseTree) -> Vec<Vec<String>> {
    match tree {
        syn::UseTree::Path(path) => flatten(&path.tree).into_iter().map(|rest| prefixed(&path.ident, rest)).collect(),
        syn::UseTree::Name(name) => vec![vec![name.ident.to_string()]],
        syn::UseTree::Rename(rename) => vec![vec![rename.ident.to_string()]],
        syn::UseTree::Glob(_) => vec![vec!["*".to_owned()]],
        syn::UseTree::Group(group) => group.items.iter().flat_map(flatten).collect(),
    }
}

fn prefixed(first: &syn::Ident, mut rest: Vec<String>) -> Vec<String> {
    rest.retain(|name| name != "self");
    rest.insert(0, first.to_string());
    rest
}

#[derive(Default)]
struct Reader<'a> {
    crates: &'a [String],
    children: Vec<String>,
    shadowed: Vec<String>,
    folder: String,
    test_depth: usize,
    uses: Vec<Use>,
    functions: Vec<Function>,
    test_modules: Vec<String>,
}

impl Reader<'_> {
    fn name(&mut self, path: Vec<String>, span: Span) {
        self.uses.push(Use { path, line: span.start().line, in_test: self.test_depth > 0 });
    }

    /// Whether a path that begins so leads to another file or crate. Only the crates of Cargo.toml can be
    /// named; any other beginning is something that the file declared or imported, and was judged there.
    fn leads_out(&self, first: &str) -> bool {
        let is_known = matches!(first, "crate" | "super" | "order_payments" | "std" | "core" | "alloc");
        is_known || (self.crates.iter().any(|name| name == first) && !self.children.iter().any(|name| name == first))
    }

    /// Notes a path outside a `use`, where an import may have given a crate's name to something else.
    fn mention(&mut self, path: Vec<String>, span: Span) {
        let is_hidden = self.shadowed.contains(&path[0]);
        if path.len() > 1 && !is_hidden && self.leads_out(&path[0]) {
            self.name(path, span);
        }
    }

    /// The bodies of macros are not syntax yet: the paths in them are found among their tokens.
    fn read_tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut start = Span::call_site();
        let mut colons = 0;
        for token in tokens {
            match &token {
                TokenTree::Ident(name) => {
                    if colons != 2 {
                        self.end_path(&mut path, start);
                        start = name.span();
                    }
                    path.push(name.to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' && !path.is_empty() => colons += 1,
                TokenTree::Group(group) => {
                    self.end_path(&mut path, start);
                    self.read_tokens(group.stream());
                    colons = 0;
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {
                    self.end_path(&mut path, start);
                    colons = 0;
                }
            }
        }
        self.end_path(&mut path, start);
    }

    fn end_path(&mut self, path: &mut Vec<String>, start: Span) {
        if !path.is_empty() {
            self.mention(std::mem::take(path), start);
        }
    }

    fn note_function(&mut self, name: &syn::Ident, whole: Span) {
        let (line, end) = (whole.start().line, whole.end().line);
        self.functions.push(Function { name: name.to_string(), line, lines: end - line + 1 });
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        for path in flatten(&item.tree) {
            let is_glob = path.last().is_some_and(|name| name == "*");
            if self.leads_out(&path[0]) || is_glob {
                self.name(path, item.span());
            }
        }
    }

    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        let is_test = module.attrs.iter().any(is_cfg_test);
        if is_test && module.content.is_none() {
            self.test_modules.push(format!("{}/{}", self.folder, module.ident));
        }
        self.test_depth += usize::from(is_test);
        visit::visit_item_mod(self, module);
        self.test_depth -= usize::from(is_test);
    }

    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.note_function(&function.sig.ident, function.block.span());
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.note_function(&function.sig.ident, function.block.span());
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.mention(path.segments.iter().map(|segment| segment.ident.to_string()).collect(), path.span());
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.visit_path(&call.path);
        self.read_tokens(call.tokens.clone());
    }

    fn visit_meta_list(&mut self, list: &'ast syn::MetaList) {
        self.visit_path(&list.path);
        self.read_tokens(list.tokens.clone());
    }

    /// `pub(super)` names no one's insides.
    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}
}

fn is_cfg_test(attribute: &syn::Attribute) -> bool {
    attribute.path().is_ident("cfg") && attribute.parse_args::<syn::Ident>().is_ok_and(|name| name == "test")
}
