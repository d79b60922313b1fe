# SPDX-License-Identifier: Apache-2.0
#
# plan (name, operations, goal), results (name, system, round, figure), messages (name, system, opcode, count)
# -> a table of medians and ratios, and one of messages per operation. Fields are separated by tabs, the last
# column of messages by a space.

BEGIN {
	FS = "\t"
	nsys = split(systems, sys, " ")
}

FILENAME ~ /plan$/ {
	order[++n] = $1
	ops[$1] = $2
	goal[$1] = $3
	next
}

FILENAME ~ /results$/ {
	key = $1 FS $2
	figure[key, ++count[key]] = $4
	next
}

{
	split($3, m, " ")
	sent[$1, $2] += m[2]
	each[$1, $2] = each[$1, $2] "\n" m[1] " " m[2]
}

# '-' where there is no figure, "failed" when one of them failed.
function median(key,    i, j, k, v, t) {
	k = count[key]
	if (!k)
		return "-"
	for (i = 1; i <= k; i++) {
		if (figure[key, i] !~ /^[0-9.]+$/)
			return figure[key, i]
		v[i] = figure[key, i] + 0
		for (j = i; j > 1 && v[j - 1] > v[j]; j--) {
			t = v[j]
			v[j] = v[j - 1]
			v[j - 1] = t
		}
	}
	return k % 2 ? v[(k + 1) / 2] : (v[k / 2] + v[k / 2 + 1]) / 2
}

function short(x) {
	if (x !~ /^[0-9.e+-]+$/ || x == "-")
		return x
	return x >= 100 ? sprintf("%.0f", x) : x >= 10 ? sprintf("%.1f", x) : x >= 0.01 ? sprintf("%.2f", x) : sprintf("%.4f", x)
}

function ratio(x, kernel) {
	return x ~ /^[0-9]/ && kernel ~ /^[0-9]/ && kernel > 0 ? short(x / kernel) : "-"
}

# Adds up the rounds and prints per operation.
function per_operation(name, which,    lines, i, k, w, total, out, op) {
	k = split(each[name, which], lines, "\n")
	for (i = 2; i <= k; i++) {
		split(lines[i], w, " ")
		total[w[1]] += w[2]
	}
	for (op in total)
		out = out sprintf("%s %s, ", op, short(total[op] / rounds / ops[name]))
	sub(/, $/, "", out)
	return out
}

END {
	head = "| workload |"
	rule = "| --- |"
	for (s = 1; s <= nsys; s++) {
		head = head " " sys[s] ", ms |"
		rule = rule " ---: |"
		has_kernel = has_kernel || sys[s] == "kernel"
	}
	for (s = 1; s <= nsys; s++) {
		if (has_kernel && sys[s] != "kernel") {
			head = head " " sys[s] " / kernel |"
			rule = rule " ---: |"
		}
	}
	print head " goal | messages per operation |"
	print rule " ---: | --- |"
	for (i = 1; i <= n; i++) {
		name = order[i]
		line = ""
		for (s = 1; s <= nsys; s++)
			line = line " " short(median(name FS sys[s])) " |"
		if (line !~ /[0-9f]/)
			continue
		for (s = 1; s <= nsys; s++) {
			if (has_kernel && sys[s] != "kernel")
				line = line " " ratio(median(name FS sys[s]), median(name FS "kernel")) " |"
		}
		line = line " " goal[name] " |"
		for (s = 1; s <= nsys; s++) {
			if (sys[s] ~ /^veneer/)
				line = line " " short(sent[name, sys[s]] / rounds / ops[name])
		}
		print "| " name " |" line " |"
	}
	print ""
	for (i = 1; i <= n; i++) {
		for (s = 1; s <= nsys; s++) {
			if ((order[i], sys[s]) in each)
				print order[i] " (" sys[s] "): " per_operation(order[i], sys[s])
		}
	}
}
