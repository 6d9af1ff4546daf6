package ast

func (p *printer) create(n Node) bool {
	switch n := n.(type) {
	case *CreateTable:
		p.createTable(n)
	case *CreateTableAs:
		p.createTableAs(n)
	case *PartitionBy:
		p.s("PARTITION BY ")
		p.id(n.Method)
		p.s(" (")
		nodes(p, n.Elems)
		p.s(")")
	case *PartitionBound:
		p.bound(n)
	case *ColumnDef:
		p.columnDef(n)
	case *LikeClause:
		p.likeClause(n)
	case *Constraint:
		p.constraint(n)
	case *ExcludeElem:
		p.node(n.Elem)
		p.s(" WITH ")
		p.operator(n.Op)
	case *References:
		p.references(n)
	case *CreateIndex:
		p.createIndex(n)
	case *IndexElem:
		p.indexElem(n)
	case *CreateView:
		p.createView(n)
	case *CreateMaterializedView:
		p.createMaterializedView(n)
	case *RefreshMaterializedView:
		p.s("REFRESH MATERIALIZED VIEW ")
		p.opt(n.Concurrently, "CONCURRENTLY ")
		p.name(n.Name)
		p.opt(n.NoData, " WITH NO DATA")
	case *CreateSchema:
		p.createSchema(n)
	case *CreateDatabase:
		p.s("CREATE DATABASE ", ifWords(n.IfNotExists, "IF NOT EXISTS "))
		p.id(n.Name)
		p.databaseOptions(n.Options)
	case *CreateSequence:
		p.s("CREATE ", persistenceWords[n.Persistence], "SEQUENCE ", ifWords(n.IfNotExists, "IF NOT EXISTS "))
		p.name(n.Name)
		p.sequenceOptions(" ", n.Options)
	case *SequenceOption:
		p.sequenceOption(n)
	default:
		return false
	}
	return true
}

func ifWords(cond bool, words string) string {
	if cond {
		return words
	}
	return ""
}

func (p *printer) storage(method Ident, options []*Option, c OnCommit, tablespace Ident) {
	p.optID(" USING ", method)
	p.options(" WITH ", options, " = ")
	p.s([...]string{"", " ON COMMIT PRESERVE ROWS", " ON COMMIT DELETE ROWS", " ON COMMIT DROP"}[c])
	p.optID(" TABLESPACE ", tablespace)
}

func (p *printer) createTable(n *CreateTable) {
	p.s("CREATE ", persistenceWords[n.Persistence], "TABLE ", ifWords(n.IfNotExists, "IF NOT EXISTS "))
	p.name(n.Name)
	if n.PartitionOf != nil {
		p.s(" PARTITION OF ")
		p.name(n.PartitionOf)
	}
	if n.PartitionOf == nil || n.Elements != nil {
		p.s(" (")
		nodes(p, n.Elements)
		p.s(")")
	}
	if n.Bound != nil {
		p.s(" ")
		p.node(n.Bound)
	}
	if n.Inherits != nil {
		p.s(" INHERITS (")
		p.names(n.Inherits)
		p.s(")")
	}
	if n.Partition != nil {
		p.s(" ")
		p.node(n.Partition)
	}
	p.storage(n.Method, n.Options, n.OnCommit, n.Tablespace)
}

func (p *printer) bound(b *PartitionBound) {
	list := func(word string, l []Expr) {
		p.s(word, " (")
		nodes(p, l)
		p.s(")")
	}
	switch {
	case b.Default:
		p.s("DEFAULT")
	case b.In != nil:
		list("FOR VALUES IN", b.In)
	case b.From != nil:
		list("FOR VALUES FROM", b.From)
		list(" TO", b.To)
	case b.Modulus != nil:
		p.s("FOR VALUES WITH (MODULUS ")
		p.node(b.Modulus)
		p.s(", REMAINDER ")
		p.node(b.Remainder)
		p.s(")")
	}
}

func (p *printer) createTableAs(n *CreateTableAs) {
	p.s("CREATE ", persistenceWords[n.Persistence], "TABLE ", ifWords(n.IfNotExists, "IF NOT EXISTS "))
	p.name(n.Name)
	p.columns(n.Columns)
	p.storage(n.Method, n.Options, n.OnCommit, n.Tablespace)
	p.s(" AS ")
	p.node(n.Query)
	p.opt(n.NoData, " WITH NO DATA")
}

func (p *printer) columnDef(d *ColumnDef) {
	p.id(d.Name)
	if d.Type != nil {
		p.s(" ")
		p.typeName(d.Type)
	}
	p.optID(" STORAGE ", d.Storage)
	p.optID(" COMPRESSION ", d.Compression)
	if d.Collation != nil {
		p.s(" COLLATE ")
		p.name(d.Collation)
	}
	for _, c := range d.Constraints {
		p.s(" ")
		p.node(c)
	}
}

func (p *printer) likeClause(l *LikeClause) {
	p.s("LIKE ")
	p.name(l.Table)
	for _, o := range l.Options {
		yes, _ := o.Value.(*BoolLiteral)
		p.s(map[bool]string{true: " INCLUDING ", false: " EXCLUDING "}[yes != nil && yes.Value])
		p.id(o.Name)
	}
}

func (p *printer) constraint(c *Constraint) {
	if !c.Name.IsZero() {
		p.s("CONSTRAINT ")
		p.id(c.Name)
		p.s(" ")
	}
	p.constraintBody(c)
	if c.Deferrable != nil {
		p.s(map[bool]string{true: " DEFERRABLE", false: " NOT DEFERRABLE"}[*c.Deferrable])
	}
	p.opt(c.Initially != "", " INITIALLY "+c.Initially)
	p.opt(c.NotValid, " NOT VALID")
	p.opt(c.NoInherit, " NO INHERIT")
}

func (p *printer) constraintBody(c *Constraint) {
	switch c.Kind {
	case ConstraintNotNull:
		p.s("NOT NULL")
	case ConstraintNull:
		p.s("NULL")
	case ConstraintDefault:
		p.s("DEFAULT ")
		p.operand(c.Expr, precOperator)
	case ConstraintCheck:
		p.keywordCall("CHECK ", []Expr{c.Expr})
	case ConstraintUnique:
		p.s("UNIQUE", ifWords(c.NullsNotDistinct, " NULLS NOT DISTINCT"))
		p.key(c)
	case ConstraintPrimaryKey:
		p.s("PRIMARY KEY")
		p.key(c)
	case ConstraintReferences:
		p.opt(c.Columns != nil, "FOREIGN KEY")
		p.columns(c.Columns)
		p.opt(c.Columns != nil, " ")
		p.node(c.References)
	case ConstraintGenerated:
		p.keywordCall("GENERATED ALWAYS AS ", []Expr{c.Expr})
		p.s(" STORED")
	case ConstraintIdentity:
		p.s("GENERATED ", map[bool]string{true: "ALWAYS", false: "BY DEFAULT"}[c.Always], " AS IDENTITY")
		if c.Sequence != nil {
			p.s(" (")
			p.sequenceOptions("", c.Sequence)
			p.s(")")
		}
	case ConstraintExclude:
		p.exclude(c)
	}
}

func (p *printer) key(c *Constraint) {
	p.columns(c.Columns)
	p.optID(" USING INDEX ", c.UsingIndex)
	p.keyTail(c)
}

func (p *printer) keyTail(c *Constraint) {
	p.opt(c.Include != nil, " INCLUDE")
	p.columns(c.Include)
	p.options(" WITH ", c.Options, " = ")
}

func (p *printer) exclude(c *Constraint) {
	p.s("EXCLUDE")
	p.optID(" USING ", c.Method)
	p.s(" (")
	nodes(p, c.Exclude)
	p.s(")")
	p.keyTail(c)
	if c.Where != nil {
		p.keywordCall(" WHERE ", []Expr{c.Where})
	}
}

func (p *printer) references(r *References) {
	p.s("REFERENCES ")
	p.name(r.Table)
	p.columns(r.Columns)
	p.opt(r.Match != "", " MATCH "+r.Match)
	p.opt(r.OnDelete != "", " ON DELETE "+r.OnDelete)
	p.columns(r.DeleteColumns)
	p.opt(r.OnUpdate != "", " ON UPDATE "+r.OnUpdate)
}

func (p *printer) createIndex(n *CreateIndex) {
	p.s("CREATE ", ifWords(n.Unique, "UNIQUE "), "INDEX ", ifWords(n.Concurrently, "CONCURRENTLY "), ifWords(n.IfNotExists, "IF NOT EXISTS "))
	if !n.Name.IsZero() {
		p.id(n.Name)
		p.s(" ")
	}
	p.s("ON ")
	p.node(n.Table)
	p.optID(" USING ", n.Method)
	p.s(" (")
	nodes(p, n.Elems)
	p.s(")")
	if n.Include != nil {
		p.s(" INCLUDE (")
		nodes(p, n.Include)
		p.s(")")
	}
	p.opt(n.NullsNotDistinct, " NULLS NOT DISTINCT")
	p.options(" WITH ", n.Options, " = ")
	p.optID(" TABLESPACE ", n.Tablespace)
	p.optNode(" WHERE ", nodeOf(n.Where))
}

func (p *printer) indexElem(e *IndexElem) {
	if _, ok := e.Expr.(*ColumnRef); ok {
		p.expr(e.Expr)
	} else {
		p.keywordCall("", []Expr{e.Expr})
	}
	if e.Collation != nil {
		p.s(" COLLATE ")
		p.name(e.Collation)
	}
	if e.OpClass != nil {
		p.s(" ")
		p.name(e.OpClass)
		p.options(" ", e.OpOptions, " = ")
	}
	p.direction(e.Direction, e.Nulls, nil)
}

func (p *printer) createView(n *CreateView) {
	p.s("CREATE ", ifWords(n.OrReplace, "OR REPLACE "), persistenceWords[n.Persistence], ifWords(n.Recursive, "RECURSIVE "), "VIEW ")
	p.name(n.Name)
	p.columns(n.Columns)
	p.options(" WITH ", n.Options, " = ")
	p.s(" AS ")
	p.node(n.Query)
	p.opt(n.CheckOption != "", " WITH "+n.CheckOption+" CHECK OPTION")
}

func (p *printer) createMaterializedView(n *CreateMaterializedView) {
	p.s("CREATE MATERIALIZED VIEW ", ifWords(n.IfNotExists, "IF NOT EXISTS "))
	p.name(n.Name)
	p.columns(n.Columns)
	p.storage(n.Method, n.Options, OnCommitDefault, n.Tablespace)
	p.s(" AS ")
	p.node(n.Query)
	p.opt(n.NoData, " WITH NO DATA")
}

func (p *printer) createSchema(n *CreateSchema) {
	p.s("CREATE SCHEMA", ifWords(n.IfNotExists, " IF NOT EXISTS"))
	p.optID(" ", n.Name)
	p.optID(" AUTHORIZATION ", n.Owner)
	for _, e := range n.Elements {
		p.s(" ")
		p.node(e)
	}
}

func (p *printer) databaseOptions(list []*Option) {
	for _, o := range list {
		p.s(" ")
		p.option(o, " = ")
	}
}

func (p *printer) sequenceOptions(before string, list []*SequenceOption) {
	for i, o := range list {
		p.s(before)
		p.opt(before == "" && i > 0, " ")
		p.node(o)
	}
}

func (p *printer) sequenceOption(o *SequenceOption) {
	p.opt(o.No, "NO ")
	switch o.Name {
	case "increment":
		p.s("INCREMENT BY")
	case "start":
		p.s("START WITH")
	case "restart":
		p.s("RESTART", ifWords(o.Value != nil, " WITH"))
	case "owned by":
		p.s("OWNED BY", ifWords(o.Owner == nil, " NONE"))
	default:
		p.s(upperWords(o.Name))
	}
	p.optNode(" ", nodeOf(o.Value))
	if o.Type != nil {
		p.s(" ")
		p.typeName(o.Type)
	}
	if o.Owner != nil {
		p.s(" ")
		p.name(o.Owner)
	}
}
