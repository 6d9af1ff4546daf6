package session

import (
	"context"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/parser/ast"
)

func (s *Session) analyzeShow(stmt *ast.Show) (command, error) {
	if strings.EqualFold(stmt.Name, "all") {
		return s.showAll(), nil
	}
	if _, ok := s.Setting(stmt.Name); !ok {
		return nil, unknownParameter(stmt.Name)
	}
	cols := textColumns(s.set.display(stmt.Name))
	return &listing{cols: cols, verb: "SHOW", make: func(_ context.Context, s *Session, _ *call) ([]bson.Raw, error) {
		v, ok := s.Setting(stmt.Name)
		if !ok {
			return nil, unknownParameter(stmt.Name)
		}
		return []bson.Raw{textRow(cols, v)}, nil
	}}, nil
}

// Setting gives a parameter's value. Outside of a block, the transaction's
// parameters are what the next one would have.
func (s *Session) Setting(name string) (string, bool) {
	low := settingName(name)
	if s.tx.status == 'I' {
		switch low {
		case "transaction_isolation", "transaction_read_only", "transaction_deferrable":
			if _, set := s.set.values[low]; !set {
				return s.set.get("default_" + low)
			}
		}
	}
	return s.set.get(low)
}

func (s *Session) showAll() command {
	cols := textColumns("name", "setting", "description")
	return &listing{cols: cols, verb: "SHOW", make: func(_ context.Context, s *Session, _ *call) ([]bson.Raw, error) {
		var rows []bson.Raw
		for _, g := range s.set.table.sorted() {
			v, _ := s.Setting(g.name)
			rows = append(rows, textRow(cols, g.name, v, ""))
		}
		return rows, nil
	}}
}

// Parameter is a row of pg_settings.
type Parameter struct {
	Name, Setting, Unit, Context, Type string
	Enum                               []string
	Default, Reset                     string
	Changed                            bool
}

// Parameters lists the configuration parameters as a session sees them.
func (s *Session) Parameters() []Parameter {
	var out []Parameter
	for _, g := range s.set.table.sorted() {
		v, _ := s.Setting(g.name)
		low := strings.ToLower(g.name)
		p := Parameter{
			Name: g.name, Setting: g.plain(v), Unit: g.unit, Type: typeNames[g.typ], Context: contextNames[g.context],
			Enum: g.enum, Default: g.plain(g.def), Reset: g.plain(g.def),
		}
		if r, ok := s.set.reset[low]; ok {
			p.Reset = g.plain(r)
		}
		_, p.Changed = s.set.values[low]
		out = append(out, p)
	}
	return out
}

// plain gives a value in the parameter's unit, without its name.
func (g *guc) plain(v string) string {
	if g.typ == 'i' && g.unit != "" {
		if n, err := g.integer(v); err == nil {
			return itoa(int(n))
		}
	}
	return v
}

var (
	typeNames    = map[byte]string{'b': "bool", 'i': "integer", 'r': "real", 's': "string", 'e': "enum"}
	contextNames = map[byte]string{'u': "user", 'i': "internal", 'p': "postmaster", 'h': "sighup", 'c': "backend"}
)
