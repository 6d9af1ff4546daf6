package ast

import "strings"

func upperWords(s string) string { return strings.ToUpper(s) }

func (p *printer) alter(n Node) bool {
	switch n := n.(type) {
	case *AlterTable:
		p.s("ALTER ", string(n.Kind), " ", ifWords(n.IfExists, "IF EXISTS "))
		p.node(n.Table)
		p.s(" ")
		nodes(p, n.Actions)
	case *AlterAction:
		p.alterAction(n)
	case *AlterObject:
		p.s("ALTER ", string(n.Kind), " ")
		p.name(n.Name)
		p.argumentTypes(n.Kind, n.Args)
		p.s(map[AlterActionKind]string{RenameTo: " RENAME TO ", OwnerTo: " OWNER TO ", SetSchema: " SET SCHEMA "}[n.Action])
		p.id(n.NewName)
	case *AlterSequence:
		p.s("ALTER SEQUENCE ", ifWords(n.IfExists, "IF EXISTS "))
		p.name(n.Name)
		p.sequenceOptions(" ", n.Options)
	case *AlterDatabase:
		p.s("ALTER DATABASE ")
		p.id(n.Name)
		p.databaseOptions(n.Options)
		p.setOrReset(n.Set, n.Reset)
	case *Drop:
		p.drop(n)
	case *Comment:
		p.comment(n)
	default:
		return false
	}
	return true
}

func (p *printer) setOrReset(s *Set, r *Reset) {
	if s != nil {
		p.s(" ")
		p.node(s)
	}
	if r != nil {
		p.s(" ")
		p.node(r)
	}
}

// argumentTypes prints (type, …) behind a function's name; an aggregate without
// arguments has (*).
func (p *printer) argumentTypes(kind ObjectKind, list []*TypeName) {
	switch {
	case list == nil:
	case len(list) == 0 && kind == KindAggregate:
		p.s("(*)")
	default:
		p.s("(")
		nodes(p, list)
		p.s(")")
	}
}

// actionWords are the actions that are words and a name.
var actionWords = map[AlterActionKind]string{
	ValidateConstraint: "VALIDATE CONSTRAINT ", SetTablespace: "SET TABLESPACE ", ClusterOn: "CLUSTER ON ", OwnerTo: "OWNER TO ",
	SetSchema: "SET SCHEMA ",
}

// columnWords are the actions that are words behind ALTER COLUMN name.
var columnWords = map[AlterActionKind]string{
	DropColumnDefault: " DROP DEFAULT", SetColumnNotNull: " SET NOT NULL", DropColumnNotNull: " DROP NOT NULL",
	DropIdentity: " DROP IDENTITY", DropExpression: " DROP EXPRESSION", AlterColumnType: " TYPE ", SetColumnDefault: " SET DEFAULT ",
	SetColumnStatistics: " SET STATISTICS ", SetColumnStorage: " SET ", SetColumnOptions: " SET ", ResetColumnOptions: " RESET ",
	AddIdentity: " ADD GENERATED ", SetIdentity: "",
}

func (p *printer) alterAction(a *AlterAction) {
	if words, ok := actionWords[a.Kind]; ok {
		p.s(words)
		p.id(a.Name)
		return
	}
	if words, ok := columnWords[a.Kind]; ok {
		p.s("ALTER COLUMN ")
		p.id(a.Name)
		p.s(words, ifWords(a.IfExists, " IF EXISTS"))
		p.columnAction(a)
		return
	}
	p.tableAction(a)
}

func (p *printer) columnAction(a *AlterAction) {
	switch a.Kind {
	case AlterColumnType:
		p.typeName(a.Type)
		if a.Collation != nil {
			p.s(" COLLATE ")
			p.name(a.Collation)
		}
		p.optNode(" USING ", nodeOf(a.Expr))
	case SetColumnDefault, SetColumnStatistics:
		p.expr(a.Expr)
	case SetColumnStorage:
		p.s(a.Text, " ")
		p.id(a.NewName)
	case SetColumnOptions, ResetColumnOptions:
		p.options("", a.Options, " = ")
	case AddIdentity:
		p.s(map[bool]string{true: "ALWAYS", false: "BY DEFAULT"}[a.Always], " AS IDENTITY")
		if a.Sequence != nil {
			p.s(" (")
			p.sequenceOptions("", a.Sequence)
			p.s(")")
		}
	case SetIdentity:
		if a.Text != "" {
			p.s(" SET GENERATED ", map[bool]string{true: "ALWAYS", false: "BY DEFAULT"}[a.Always])
		}
		for _, o := range a.Sequence {
			p.opt(o.Name != "restart", " SET")
			p.s(" ")
			p.node(o)
		}
	}
}

func (p *printer) tableAction(a *AlterAction) {
	switch a.Kind {
	case AddColumn:
		p.s("ADD COLUMN ", ifWords(a.IfExists, "IF NOT EXISTS "))
		p.node(a.Def)
	case DropColumn, DropConstraint:
		p.s("DROP ", map[bool]string{true: "COLUMN ", false: "CONSTRAINT "}[a.Kind == DropColumn], ifWords(a.IfExists, "IF EXISTS "))
		p.id(a.Name)
		p.behavior(a.Behavior)
	case AddConstraint:
		p.s("ADD ")
		p.node(a.Add)
	case AlterConstraint:
		p.s("ALTER CONSTRAINT ")
		p.id(a.Name)
		if a.Add.Deferrable != nil {
			p.s(map[bool]string{true: " DEFERRABLE", false: " NOT DEFERRABLE"}[*a.Add.Deferrable])
		}
		p.opt(a.Add.Initially != "", " INITIALLY "+a.Add.Initially)
	case SetOptions:
		p.options("SET ", a.Options, " = ")
	case ResetOptions:
		p.options("RESET ", a.Options, " = ")
	case SetLogged, SetUnlogged, SetWithoutCluster:
		p.s(map[AlterActionKind]string{SetLogged: "SET LOGGED", SetUnlogged: "SET UNLOGGED", SetWithoutCluster: "SET WITHOUT CLUSTER"}[a.Kind])
	case InheritFrom, NoInheritFrom:
		p.s(ifWords(a.Kind == NoInheritFrom, "NO "), "INHERIT ")
		p.name(a.Parent)
	case AttachPartition:
		p.s("ATTACH PARTITION ")
		p.name(a.Parent)
		p.s(" ")
		p.node(a.Bound)
	case DetachPartition:
		p.s("DETACH PARTITION ")
		p.name(a.Parent)
		p.opt(a.Text != "", " "+a.Text)
	case RowSecurity:
		p.s(a.Text, " ROW LEVEL SECURITY")
	case Triggers:
		p.s(a.Text, " ")
		p.id(a.Name)
	case ReplicaIdentity:
		p.s("REPLICA IDENTITY ", a.Text)
		p.optID(" INDEX ", a.Name)
	default:
		p.rename(a)
	}
}

func (p *printer) rename(a *AlterAction) {
	p.s("RENAME ")
	switch a.Kind {
	case RenameColumn:
		p.optID("COLUMN ", a.Name)
		p.s(" ")
	case RenameConstraint:
		p.optID("CONSTRAINT ", a.Name)
		p.s(" ")
	}
	p.s("TO ")
	p.id(a.NewName)
}

func (p *printer) drop(n *Drop) {
	p.s("DROP ", string(n.Kind), " ", ifWords(n.Concurrently, "CONCURRENTLY "), ifWords(n.IfExists, "IF EXISTS "))
	for i, name := range n.Names {
		p.opt(i > 0, ", ")
		p.name(name)
		if i < len(n.Args) {
			p.argumentTypes(n.Kind, n.Args[i])
		}
	}
	if n.On != nil {
		p.s(" ON ")
		p.name(n.On)
	}
	p.behavior(n.Behavior)
	p.opt(n.Force, " WITH (FORCE)")
}

func (p *printer) comment(n *Comment) {
	p.s("COMMENT ON ", string(n.Kind), " ")
	p.name(n.Name)
	p.argumentTypes(n.Kind, n.Args)
	if n.On != nil {
		p.s(" ON ")
		p.name(n.On)
	}
	p.s(" IS ")
	if n.Text == nil {
		p.s("NULL")
	} else {
		p.node(n.Text)
	}
}
