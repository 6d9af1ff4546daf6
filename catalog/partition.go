package catalog

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"weir/parser/ast"
)

// A partitioned table is one collection: that of the topmost table. Partitions
// are views of the relation that they are a partition of, which can be written;
// what they are for is a condition over its columns. The topmost table has rules
// for all rows below it: each must have a partition, and fulfil the constraints
// of the partitions that it lies in.

// Partition tells what a relation has to do with partitions.
type Partition struct {
	Method string   // list or range of a partitioned table, "" of a partition that is none
	Keys   []string // SQL of a partitioned table's keys
	Parent string   // of a partition, in the same database; "": the topmost table
	Bound  string   // FOR VALUES … of a partition
	Where  string   // a partition's rows in SQL over Parent's columns; "": all
	// OID is SQL over the columns for the OID of the partition that a row lies in.
	OID string
	// Rules hold for the rows of a topmost table.
	Rules []PartitionRule
}

// PartitionRule is a condition in SQL over the columns of the topmost table. It
// is of the partition Relation: Column is not NULL, the check Name is fulfilled,
// or else there is a partition for the row.
type PartitionRule struct {
	Relation     string
	Column, Name string
	SQL          string
}

// objectPartition is Partition as it is stored.
type objectPartition struct {
	Method string                `bson:"method,omitempty"`
	Keys   []string              `bson:"keys,omitempty"`
	Parent string                `bson:"parent,omitempty"`
	Bound  *objectBound          `bson:"bound,omitempty"`
	Where  string                `bson:"where,omitempty"`
	OID    string                `bson:"oid,omitempty"`
	Rules  []objectPartitionRule `bson:"rules,omitempty"`
}

type objectPartitionRule struct {
	Relation string `bson:"relation"`
	Column   string `bson:"column,omitempty"`
	Name     string `bson:"name,omitempty"`
	SQL      string `bson:"sql"`
}

// objectBound is a bound whose values are SQL; null, minvalue and maxvalue are
// in these words.
type objectBound struct {
	Default bool     `bson:"default,omitempty"`
	In      []string `bson:"in,omitempty"`
	From    []string `bson:"from,omitempty"`
	To      []string `bson:"to,omitempty"`
}

const (
	boundNull = "null"
	boundMin  = "minvalue"
	boundMax  = "maxvalue"
)

func (b *objectBound) String() string {
	switch {
	case b.Default:
		return "DEFAULT"
	case b.In != nil:
		return "FOR VALUES IN (" + strings.Join(b.In, ", ") + ")"
	}
	return "FOR VALUES FROM (" + strings.Join(b.From, ", ") + ") TO (" + strings.Join(b.To, ", ") + ")"
}

func (o *object) partition() *Partition {
	if o == nil || o.Partition == nil {
		return nil
	}
	s := o.Partition
	p := &Partition{Method: s.Method, Keys: s.Keys, Parent: s.Parent, Where: s.Where, OID: s.OID}
	if s.Bound != nil {
		p.Bound = s.Bound.String()
	}
	for _, r := range s.Rules {
		p.Rules = append(p.Rules, PartitionRule(r))
	}
	return p
}

// Partitioned tells whether a table has partitions, IsPartition whether it is one.
func (t *Table) Partitioned() bool { return t.Partition != nil && t.Partition.Method != "" }

// IsPartition tells whether a relation is a partition of another.
func (t *Table) IsPartition() bool { return t.Partition != nil && t.Partition.Parent != "" }

// partitionQuery is the query behind a partition.
func partitionQuery(schema string, t *Table) string {
	var cols []string
	for _, c := range t.Columns {
		cols = append(cols, ast.QuoteIdent(c.Name))
	}
	if len(cols) == 0 {
		cols = []string{"*"}
	}
	sql := "SELECT " + strings.Join(cols, ", ") + " FROM " + ast.QuoteIdent(schema) + "." + ast.QuoteIdent(t.Partition.Parent)
	if t.Partition.Where != "" {
		sql += " WHERE " + t.Partition.Where
	}
	return sql
}

// rows is the condition for the rows of a bound, by the keys of the parent.
func (b *objectBound) rows(keys []string) string {
	if b.In == nil {
		return rangeRows(keys, b.From, b.To)
	}
	k := "(" + keys[0] + ")"
	var values []string
	null := false
	for _, v := range b.In {
		if v == boundNull {
			null = true
		} else {
			values = append(values, v)
		}
	}
	switch {
	case len(values) == 0:
		return k + " IS NULL"
	case null:
		return "(" + k + " IS NULL OR " + k + " IN (" + strings.Join(values, ", ") + "))"
	}
	return k + " IN (" + strings.Join(values, ", ") + ")"
}

func rangeRows(keys, from, to []string) string {
	var parts, wrapped []string
	for _, k := range keys {
		wrapped = append(wrapped, "("+k+")")
		parts = append(parts, "("+k+") IS NOT NULL")
	}
	if low := lessSQL(wrapped, from); low != "FALSE" {
		parts = append(parts, "NOT "+low)
	}
	if high := lessSQL(wrapped, to); high != "TRUE" {
		parts = append(parts, high)
	}
	return strings.Join(parts, " AND ")
}

// lessSQL is a < b in SQL for lists of bounds, from left to right. What is equal
// through is not less.
func lessSQL(a, b []string) string {
	if len(a) == 0 {
		return "FALSE"
	}
	if x, y := boundRank(a[0]), boundRank(b[0]); x != y || x != 0 {
		return strings.ToUpper(fmt.Sprint(x < y))
	}
	rest := lessSQL(a[1:], b[1:])
	switch rest {
	case "FALSE":
		return "(" + a[0] + " < " + b[0] + ")"
	case "TRUE":
		return "(" + a[0] + " <= " + b[0] + ")"
	}
	return "(" + a[0] + " < " + b[0] + " OR " + a[0] + " = " + b[0] + " AND " + rest + ")"
}

func boundRank(v string) int {
	switch v {
	case boundMin:
		return -1
	case boundMax:
		return 1
	}
	return 0
}

// partitionTree is the relations of a partitioned table.
type partitionTree struct {
	objects map[string]*object
	kids    map[string][]*object
}

func newPartitionTree(objects map[string]*object) *partitionTree {
	t := &partitionTree{objects: objects, kids: map[string][]*object{}}
	for _, name := range sortedNames(objects) {
		if o := objects[name]; o.Partition != nil && o.Partition.Parent != "" {
			t.kids[o.Partition.Parent] = append(t.kids[o.Partition.Parent], o)
		}
	}
	return t
}

// root is the topmost table above a relation.
func (t *partitionTree) root(o *object) *object {
	for o.Partition != nil && o.Partition.Parent != "" && t.objects[o.Partition.Parent] != nil {
		o = t.objects[o.Partition.Parent]
	}
	return o
}

// below lists all partitions under a relation, those nearer to it first.
func (t *partitionTree) below(name string) []*object {
	out := append([]*object(nil), t.kids[name]...)
	for i := 0; i < len(out); i++ {
		out = append(out, t.kids[out[i].Name]...)
	}
	return out
}

// compute brings what follows from keys and bounds up to date.
func (t *partitionTree) compute(root *object) {
	root.Partition.Rules = nil
	t.level(root, root, nil)
}

// level computes one relation; path are the conditions from the top down to it.
func (t *partitionTree) level(root, o *object, path []string) {
	p := o.Partition
	inside := strings.Join(path, " AND ")
	if o != root {
		t.constraints(root, o, inside)
	}
	if p.Method == "" {
		p.OID = fmt.Sprintf("%d::oid", o.OID)
		return
	}
	var others []string
	var def *object
	for _, k := range t.kids[o.Name] {
		if k.Partition.Bound.Default {
			def = k
			continue
		}
		k.Partition.Where = "(" + k.Partition.Bound.rows(p.Keys) + ")"
		others = append(others, k.Partition.Where)
	}
	any := strings.Join(others, " OR ")
	switch {
	case def != nil && any == "":
		def.Partition.Where = "TRUE"
	case def != nil:
		def.Partition.Where = "((" + any + ") IS NOT TRUE)"
	default:
		sql := "FALSE"
		if any != "" {
			sql = "((" + any + ") IS TRUE)"
		}
		root.Partition.Rules = append(root.Partition.Rules, objectPartitionRule{Relation: o.Name, SQL: unless(inside, sql)})
	}
	p.OID = "CASE"
	for _, k := range t.kids[o.Name] {
		t.level(root, k, append(path[:len(path):len(path)], k.Partition.Where))
		p.OID += " WHEN " + k.Partition.Where + " THEN " + k.Partition.OID
	}
	if p.OID += " END"; len(t.kids[o.Name]) == 0 {
		p.OID = "NULL::oid"
	}
}

// constraints makes rules of a partition's own constraints.
func (t *partitionTree) constraints(root, o *object, inside string) {
	above := t.objects[o.Partition.Parent]
	for _, c := range o.Columns {
		if up := above.column(c.Name); c.NotNull && (up == nil || !up.NotNull) {
			root.Partition.Rules = append(root.Partition.Rules, objectPartitionRule{Relation: o.Name, Column: c.Name,
				SQL: unless(inside, ast.QuoteIdent(c.Name)+" IS NOT NULL")})
		}
	}
	for _, k := range o.Checks {
		root.Partition.Rules = append(root.Partition.Rules, objectPartitionRule{Relation: o.Name, Name: k.Name, SQL: unless(inside, "("+k.SQL+")")})
	}
}

// unless is a condition for the rows inside of a partition.
func unless(inside, sql string) string {
	if inside == "" {
		return sql
	}
	return "((" + inside + ") IS NOT TRUE OR " + sql + ")"
}

func sortedNames(objects map[string]*object) []string {
	return slices.Sorted(maps.Keys(objects))
}

// inside is the condition for the rows of a partition over the topmost table.
func (t *partitionTree) inside(o *object) string {
	var parts []string
	for o.Partition.Parent != "" {
		parts = append(parts, o.Partition.Where)
		o = t.objects[o.Partition.Parent]
	}
	slices.Reverse(parts)
	return strings.Join(parts, " AND ")
}
