package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// levels is the import order, lowest first: a package imports only from levels
// below its own, or from its own folder's tree.
var levels = [][]string{
	{"mongoerr"},
	{"sqlerr", "parser/ast", "store", "engine/value"},
	{"sqltype", "parser", "store/remote", "store/storetest", "engine/expr", "engine/storage", "engine/value/valuetest"},
	{"sqlfunc", "engine/match", "engine/index", "engine/oplog"},
	{"catalog", "wire", "engine/agg"},
	{"planner", "engine/update", "events"},
	{"translator", "engine", "events/sink"},
	{"executor", "engine/opmsg"},
	{"session", "demo"},
	{"console"},
	{"gateway"},
	{"bench", "bench/delivery"},
	{"internal/testkit", "cmd/weir"},
}

// bans are things that no file but tests may hold, with where they are allowed.
var bans = []struct {
	name    string
	pattern *regexp.Regexp
	allowed []string
}{
	{"reading the environment", regexp.MustCompile(`\bos\.(Getenv|LookupEnv|Environ)\b`), []string{"cmd/", "internal/testkit/"}},
	{"the log package", regexp.MustCompile(`"log"\n`), nil},
	{"printing to standard output", regexp.MustCompile(`\bfmt\.Print(f|ln)?\(`), nil},
}

const module = "weir/"

// file is a parsed Go file of the module.
type file struct {
	path string // from the module's root, with slashes
	pkg  string // folder
	test bool
	ast  *ast.File
	text string
}

func load(t *testing.T) []file {
	t.Helper()
	root := filepath.Join("..", "..")
	var out []file
	fset := token.NewFileSet()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			if rel != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || rel == "internal/sqloracle") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(rel, ".go") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		parsed, err := parser.ParseFile(fset, path, text, parser.ParseComments)
		if err != nil {
			return err
		}
		out = append(out, file{path: rel, pkg: folder(rel), test: strings.HasSuffix(rel, "_test.go"), ast: parsed, text: string(text)})
		return nil
	})
	require.NoError(t, err)
	require.NotEmpty(t, out)
	return out
}

func folder(path string) string {
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		return path[:i]
	}
	return "."
}

func levelOf(pkg string) int {
	for i, names := range levels {
		for _, n := range names {
			if n == pkg {
				return i
			}
		}
	}
	return -1
}

func TestEveryPackageHasALevel(t *testing.T) {
	for _, f := range load(t) {
		if strings.HasPrefix(f.pkg, "internal/archtest") {
			continue
		}
		require.GreaterOrEqual(t, levelOf(f.pkg), 0, "%s: give its folder a line in levels", f.path)
	}
}

func TestImportsGoOneWay(t *testing.T) {
	for _, f := range load(t) {
		if f.test || strings.HasPrefix(f.pkg, "internal/archtest") {
			continue
		}
		for _, imp := range f.ast.Imports {
			name, ours := strings.CutPrefix(strings.Trim(imp.Path.Value, `"`), module)
			if !ours || name == f.pkg {
				continue
			}
			require.Less(t, levelOf(name), levelOf(f.pkg), "%s imports %s", f.path, name)
		}
	}
}

func TestBans(t *testing.T) {
	for _, f := range load(t) {
		if f.test {
			continue
		}
		for _, b := range bans {
			if at := b.pattern.FindStringIndex(f.text); at != nil && !under(f.path, b.allowed) {
				t.Errorf("%s:%d: %s", f.path, 1+strings.Count(f.text[:at[0]], "\n"), b.name)
			}
		}
	}
}

func under(path string, folders []string) bool {
	for _, p := range folders {
		if strings.HasPrefix(path, p) {
			return true
		}
	}
	return false
}

func TestNoInitFunctions(t *testing.T) {
	for _, f := range load(t) {
		for _, d := range f.ast.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				t.Errorf("%s has an init function", f.path)
			}
		}
	}
}

func TestPackagesSayWhatTheyAre(t *testing.T) {
	has := map[string]bool{}
	for _, f := range load(t) {
		if !f.test {
			has[f.pkg] = has[f.pkg] || f.ast.Doc != nil
		}
	}
	for pkg, ok := range has {
		require.True(t, ok, "%s has no package comment", pkg)
	}
}

var forbiddenNames = regexp.MustCompile(`(^|/)(util|utils|common|helpers?|misc)(/|$)`)

func TestFoldersAreNouns(t *testing.T) {
	for _, f := range load(t) {
		require.False(t, forbiddenNames.MatchString(f.pkg), "%s: name the folder after its one job", f.path)
	}
}

// machinePath finds absolute paths of one machine in any text.
var machinePath = regexp.MustCompile(`["'\x60 ](/root/|/work/|/home/[a-z])`)

func TestNoPathsOfOneMachine(t *testing.T) {
	for _, f := range load(t) {
		if f.pkg == "internal/archtest" {
			continue
		}
		require.False(t, machinePath.MatchString(f.text), "%s names a path of one machine", f.path)
	}
}
