package session

import (
	"strings"

	"weir/sqlerr"
	"weir/wire"
)

// reported are the parameters that clients are told of, in the order in which
// they are sent.
var reported = []string{
	"server_version", "server_encoding", "client_encoding", "application_name", "is_superuser",
	"session_authorization", "DateStyle", "IntervalStyle", "TimeZone", "integer_datetimes",
	"standard_conforming_strings", "default_transaction_read_only", "in_hot_standby",
}

// settings are the parameters of a session: the values that differ from the
// defaults, and how to take changes back when a transaction ends.
type settings struct {
	table   parameters
	reset   map[string]string // what RESET goes back to: given at connect, else the default
	values  map[string]string // lower-case name; custom names too
	undo    []change
	changed bool   // something reported may differ
	version uint64 // grows with each change
	told    map[string]string
}

// change is what a setting was before.
type change struct {
	name  string
	value string
	had   bool
	local bool // SET LOCAL: taken back at commit too
}

func newSettings(table parameters) *settings {
	return &settings{table: table, reset: map[string]string{}, values: map[string]string{}, told: map[string]string{}, changed: true}
}

// get gives a parameter's value as SHOW prints it.
func (s *settings) get(name string) (string, bool) {
	low := settingName(name)
	if v, ok := s.values[low]; ok {
		return v, true
	}
	if v, ok := s.reset[low]; ok {
		return v, true
	}
	if g := s.table[low]; g != nil {
		return g.def, true
	}
	return "", false
}

// value is get for parameters that exist.
func (s *settings) value(name string) string {
	v, _ := s.get(name)
	return v
}

func (s *settings) on(name string) bool { return s.value(name) == "on" }

// display is the spelling of a parameter's name.
func (s *settings) display(name string) string {
	if g := s.table[settingName(name)]; g != nil {
		return g.name
	}
	return name
}

// settingName folds a name; two have an old spelling of several words.
func settingName(name string) string {
	low := strings.ToLower(name)
	switch low {
	case "time zone":
		return "timezone"
	case "transaction isolation level":
		return "transaction_isolation"
	case "session authorization":
		return "session_authorization"
	}
	return low
}

// check gives the canonical value of a parameter.
func (s *settings) check(name, value string, starting bool) (string, error) {
	low := settingName(name)
	g := s.table[low]
	if g == nil {
		return value, s.custom(name)
	}
	if err := g.settable(starting); err != nil {
		return "", err
	}
	return g.canonical(value)
}

// custom lets names with a dot be made up, except under a prefix of ours.
func (s *settings) custom(name string) error {
	prefix, _, dotted := strings.Cut(name, ".")
	if !dotted {
		return unknownParameter(name)
	}
	if strings.EqualFold(prefix, "weir") {
		return sqlerr.New(sqlerr.UndefinedObject, "unrecognized configuration parameter \"%s\"", name).
			WithHint("Parameters of weir are: weir.collation, weir.flatten_documents, weir.schema_sample_size, weir.strict.")
	}
	for _, r := range name {
		if r != '.' && r != '_' && r != '$' && (r < '0' || r > '9') && (r|32 < 'a' || r|32 > 'z') && r < 128 {
			return sqlerr.New(sqlerr.InvalidName, "invalid configuration parameter name \"%s\"", name)
		}
	}
	return nil
}

// set changes a parameter for the session, or the transaction if local.
func (s *settings) set(name, value string, local bool) error {
	v, err := s.check(name, value, false)
	if err != nil {
		return err
	}
	s.put(settingName(name), v, true, local)
	return nil
}

// put records the change and makes it.
func (s *settings) put(low, value string, has, local bool) {
	old, had := s.values[low]
	s.undo = append(s.undo, change{low, old, had, local})
	s.assign(low, value, has)
}

func (s *settings) assign(low, value string, has bool) {
	if has {
		s.values[low] = value
	} else {
		delete(s.values, low)
	}
	s.changed = true
	s.version++
}

// unset is RESET.
func (s *settings) unset(name string, local bool) error {
	low := settingName(name)
	if g := s.table[low]; g != nil {
		if err := g.settable(false); err != nil {
			return err
		}
	} else if _, ok := s.get(low); !ok {
		if err := s.custom(name); err != nil {
			return err
		}
	}
	s.put(low, "", false, local)
	return nil
}

// unsetAll is RESET ALL: not the parameters of the transaction and the role.
func (s *settings) unsetAll() {
	for low := range s.values {
		switch low {
		case "transaction_isolation", "transaction_read_only", "transaction_deferrable", "role", "session_authorization":
		default:
			s.put(low, "", false, false)
		}
	}
}

// start sets a parameter of the startup packet, which RESET goes back to.
func (s *settings) start(name, value string) error {
	v, err := s.check(name, value, true)
	if err != nil {
		return err
	}
	s.reset[settingName(name)] = v
	s.version++
	return nil
}

// mark is a point to roll back to.
func (s *settings) mark() int { return len(s.undo) }

// rollback takes changes back to a mark.
func (s *settings) rollback(mark int) {
	for i := len(s.undo) - 1; i >= mark; i-- {
		c := s.undo[i]
		s.assign(c.name, c.value, c.had)
	}
	s.undo = s.undo[:mark]
}

// commit keeps the changes but those of SET LOCAL that no SET came after.
func (s *settings) commit() {
	var kept map[string]bool
	for i := len(s.undo) - 1; i >= 0; i-- {
		c := s.undo[i]
		switch {
		case c.local && !kept[c.name]:
			s.assign(c.name, c.value, c.had)
		case !c.local:
			if kept == nil {
				kept = map[string]bool{}
			}
			kept[c.name] = true
		}
	}
	s.undo = s.undo[:0]
}

// reports gives the reported parameters that changed since it was asked last.
func (s *settings) reports() []wire.Parameter {
	if !s.changed {
		return nil
	}
	s.changed = false
	var out []wire.Parameter
	for _, name := range reported {
		v := s.value(name)
		if old, ok := s.told[name]; ok && old == v {
			continue
		}
		s.told[name] = v
		out = append(out, wire.Parameter{Name: name, Value: v})
	}
	return out
}
