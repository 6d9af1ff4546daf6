package session

import (
	"math"
	"sort"
	"strconv"
	"strings"

	"weir/sqlerr"
)

// guc is a configuration parameter.
type guc struct {
	name    string // as SHOW prints it
	typ     byte
	context byte
	unit    string
	enum    []string
	def     string
}

// parameters is the table of all known ones by lower-case name.
type parameters map[string]*guc

func newParameters(defaults map[string]string) parameters {
	p := parameters{}
	for line := range strings.Lines(gucTable) {
		f := strings.SplitN(strings.TrimSpace(line), " ", 5)
		if len(f) < 4 {
			continue
		}
		g := &guc{name: f[0], typ: f[1][0], context: f[2][0]}
		if len(f) == 5 {
			g.def = f[4]
		}
		switch {
		case f[3] == "-":
		case g.typ == 'e':
			g.enum = strings.Split(strings.ReplaceAll(f[3], "@", " "), ",")
		default:
			g.unit = f[3]
		}
		p[strings.ToLower(g.name)] = g
	}
	for name, value := range defaults {
		if g := p[strings.ToLower(name)]; g != nil {
			g.def = value
		}
	}
	return p
}

// sorted lists the parameters by name.
func (p parameters) sorted() []*guc {
	list := make([]*guc, 0, len(p))
	for _, g := range p {
		list = append(list, g)
	}
	sort.Slice(list, func(i, j int) bool { return strings.ToLower(list[i].name) < strings.ToLower(list[j].name) })
	return list
}

func unknownParameter(name string) error {
	return sqlerr.New(sqlerr.UndefinedObject, "unrecognized configuration parameter \"%s\"", name)
}

// settable refuses what cannot be changed in a session.
func (g *guc) settable(starting bool) error {
	msg := ""
	switch g.context {
	case 'i':
		msg = "parameter \"%s\" cannot be changed"
	case 'p':
		msg = "parameter \"%s\" cannot be changed without restarting the server"
	case 'h':
		msg = "parameter \"%s\" cannot be changed now"
	case 'c':
		if !starting {
			msg = "parameter \"%s\" cannot be set after connection start"
		}
	}
	if msg == "" {
		return nil
	}
	return sqlerr.New(sqlerr.CantChangeRuntimeParam, msg, g.name)
}

func (g *guc) invalid(value string) *sqlerr.Error {
	return sqlerr.New(sqlerr.InvalidParameterValue, "invalid value for parameter \"%s\": \"%s\"", g.name, value)
}

// canonical checks a value and gives it as SHOW prints it.
func (g *guc) canonical(value string) (string, error) {
	switch g.typ {
	case 'b':
		on, ok := parseBool(value)
		if !ok {
			return "", sqlerr.New(sqlerr.InvalidParameterValue, "parameter \"%s\" requires a Boolean value", g.name)
		}
		return onOff(on), nil
	case 'e':
		return g.canonicalEnum(value)
	case 'i':
		return g.canonicalInteger(value)
	case 'r':
		if _, err := strconv.ParseFloat(strings.TrimRight(value, "msindh"), 64); err != nil {
			return "", g.invalid(value)
		}
		return value, nil
	}
	if check := stringChecks[strings.ToLower(g.name)]; check != nil {
		return check(g, value)
	}
	return value, nil
}

func (g *guc) canonicalEnum(value string) (string, error) {
	for _, e := range g.enum {
		if strings.EqualFold(e, value) {
			return e, nil
		}
	}
	// Boolean spellings of on and off, where these are values.
	if on, ok := parseBool(value); ok {
		for _, e := range g.enum {
			if e == onOff(on) {
				return e, nil
			}
		}
	}
	return "", g.invalid(value).WithHint("Available values: %s.", strings.Join(g.enum, ", "))
}

func (g *guc) canonicalInteger(value string) (string, error) {
	n, err := g.integer(value)
	if err != nil {
		return "", err
	}
	return g.showInteger(n), nil
}

// integer reads a number with an optional unit into the parameter's own unit.
func (g *guc) integer(value string) (int64, error) {
	text := strings.TrimSpace(value)
	end := strings.LastIndexAny(text, "0123456789.") + 1
	x, err := strconv.ParseFloat(text[:end], 64)
	if err != nil {
		n, err := strconv.ParseInt(text, 0, 64)
		if err != nil {
			return 0, g.invalid(value)
		}
		return n, nil
	}
	if unit := strings.TrimSpace(text[end:]); unit != "" {
		from, to := unitSize(unit), unitSize(g.unit)
		if from == 0 || to == 0 || isTime(unit) != isTime(g.unit) {
			e := g.invalid(value)
			if to != 0 && isTime(g.unit) {
				return 0, e.WithHint(`Valid units for this parameter are "us", "ms", "s", "min", "h", and "d".`)
			}
			if to != 0 {
				return 0, e.WithHint(`Valid units for this parameter are "B", "kB", "MB", "GB", and "TB".`)
			}
			return 0, e
		}
		x = x * from / to
	}
	if x = math.Round(x); math.Abs(x) > math.MaxInt32 {
		return 0, g.invalid(value).WithHint("Value exceeds integer range.")
	}
	if x < -1 && g.unit != "" {
		return 0, sqlerr.New(sqlerr.InvalidParameterValue, "%d is outside the valid range for parameter \"%s\"", int64(x), g.name)
	}
	return int64(x), nil
}

// showInteger prints in the largest unit that divides evenly.
func (g *guc) showInteger(n int64) string {
	base := unitSize(g.unit)
	if base == 0 || n <= 0 {
		return strconv.FormatInt(n, 10)
	}
	units := []string{"TB", "GB", "MB", "kB", "B"}
	if isTime(g.unit) {
		units = []string{"d", "h", "min", "s", "ms", "us"}
	}
	total := float64(n) * base
	for _, u := range units {
		if q := total / unitSize(u); q >= 1 && q == math.Trunc(q) {
			return strconv.FormatFloat(q, 'f', -1, 64) + u
		}
	}
	return strconv.FormatInt(n, 10)
}

// unitSize is in bytes or microseconds; 0: no unit.
func unitSize(unit string) float64 {
	switch unit {
	case "B":
		return 1
	case "kB":
		return 1 << 10
	case "8kB":
		return 8 << 10
	case "MB":
		return 1 << 20
	case "GB":
		return 1 << 30
	case "TB":
		return 1 << 40
	case "us":
		return 1
	case "ms":
		return 1e3
	case "s":
		return 1e6
	case "min":
		return 60e6
	case "h":
		return 3600e6
	case "d":
		return 86400e6
	}
	return 0
}

func isTime(unit string) bool {
	switch unit {
	case "us", "ms", "s", "min", "h", "d":
		return true
	}
	return false
}

// parseBool accepts unique prefixes as PostgreSQL does.
func parseBool(s string) (value, ok bool) {
	s = strings.ToLower(strings.TrimSpace(s))
	switch {
	case s == "":
		return false, false
	case s == "on" || s == "1" || strings.HasPrefix("true", s) || strings.HasPrefix("yes", s):
		return true, true
	case s == "of" || s == "off" || s == "0" || strings.HasPrefix("false", s) || strings.HasPrefix("no", s):
		return false, true
	}
	return false, false
}

func onOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}
