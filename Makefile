# The one door to the project. `make` alone lists what there is; everything installs what it needs first, into this folder.

UV_VERSION := 0.13.9
uv := .tools/bin/uv
uv_installed := .tools/uv-$(UV_VERSION).dist-info/METADATA
# Tools that want other versions of what uv.lock holds live apart from it; the date pins what they bring along.
CHECKOV := checkov-3.3.30
PIP_AUDIT := pip-audit-2.10.1
TOOLS_AS_OF := 2026-11-20
bin := .venv/bin

# Only the command line changes these (`make build ARCH=x86_64`), never a variable that happens to be in the environment.
ARCH := arm64
ENV := dev
USER_ID := 42
KIND := next-auth
CORE :=
OFF :=
PARAMETERS :=
DATA := .local
BUILD_DIR := .aws-sam/build
npm := dashboard/node_modules/.package-lock.json
npm_client := clients/typescript/node_modules/.package-lock.json
npm_viewer := local/viewer/node_modules/.package-lock.json

# uv and npm trust what this machine trusts (as git and pip do), so that a company's own certificate authority works.
export UV_SYSTEM_CERTS := true
export NODE_EXTRA_CA_CERTS ?= $(wildcard /etc/ssl/certs/ca-certificates.crt)

# SAM and cfn-lint want a region even for what never leaves this machine.
sam := SAM_CLI_TELEMETRY=0 $(bin)/sam
offline := AWS_DEFAULT_REGION=us-east-1
# What the layer ships, as pip reads it: pinned, with hashes, without what only the laptop needs.
export_requirements := $(uv) export --quiet --locked --no-dev --format requirements.txt --no-header --no-annotate

# The local stack, on the folder of what outlives it.
local := $(bin)/python -m local --data '$(DATA)'

.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
.PHONY: help install run aws reset unit test soak examples coverage check audit format build lock openapi awaiting terminal key session seed deploy smoke resend end-key bench cost erase export-user

help: ## list what there is
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1	\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 20

run: export OFF := $(OFF)
run: export PARAMETERS := $(PARAMETERS)
run: install $(npm_viewer) ## serve the API and a demo dashboard at http://127.0.0.1:3000 (PORT=3000 CORE=1 OFF=Export,... PARAMETERS='Name=value')
	@$(local) $(if $(filter-out 0,$(CORE)),--core) --off="$$OFF" --parameters="$$PARAMETERS"

reset: install ## forget the data, the key and the session secret of the local stack
	@$(local) reset

# Three processes for two processors (conftest.py), each with a local stack and a browser of its own where its tests need one.
# Neighbours stay together, so that few processes start the same thing; whoever is done takes over some of what others have left.
parallel := --numprocesses auto --maxprocesses 4 --dist worksteal

# Also where a machine asks Python to keep no compiled files: each of the hundred processes that tests start would compile
# anew what it imports, and pytest's rewrite the assertions of all tests, which takes half of the time of collecting them.
unit test soak coverage: export PYTHONDONTWRITEBYTECODE :=

# Without tests/sequences, which try long sequences of calls beside a model, and take as long as all of these.
unit: install ## run the tests of functions and layer, within seconds
	@$(bin)/python -m pytest $(parallel) tests/unit tests/bench tests/docs

test: install $(npm) $(npm_client) $(npm_viewer) ## run every test (PYTEST_ADDOPTS=... for pytest's own options)
	@$(bin)/python -m pytest $(parallel)

# What make test tries a hundred of. One that fails says its seed and the course of things; SEED=... tries that one alone.
soak: export SEEDS ?= 5000
soak: export SEED := $(SEED)
soak: install ## try thousands of orders in which callers get on, with faults and late writes (SEEDS=5000, or SEED=4711 for one)
	@$(bin)/python -m pytest --numprocesses 2 --dist worksteal --show-capture=no -k in_any_order tests/sequences/test_any_order.py

# Apart from make test, as Next.js alone takes longer to install and build than some hundred tests. A process for each file of tests.
examples := $(patsubst %/package.json,%,$(wildcard docs/examples/*/package.json))
examples_installed := $(addsuffix /node_modules/.package-lock.json,$(examples))

examples: install $(npm) $(examples_installed) ## build the examples of Next.js, Express and agents, and try them against a local stack
	@if ls $(examples_installed) >/dev/null 2>&1; then $(bin)/python -m pytest --numprocesses 2 --dist loadfile docs/examples; \
	    else echo 'NOT TRIED: the examples, for want of npm or of their packages.' >&2; test -z "$$CI"; fi

$(examples_installed): %/node_modules/.package-lock.json: %/package-lock.json clients/typescript/dist/index.js
	@if $(has_npm_client); then echo 'Installing the packages of $*.' >&2; npm ci --prefix $* --silent --no-audit --no-fund && touch $@ \
	    || { rm -f $@; echo 'npm could not install the packages of $*: is its registry reached from here?' >&2; }; fi

# What the examples import, as npm would have it.
clients/typescript/dist/index.js: $(wildcard clients/typescript/src/*.ts) $(npm_client)
	@if $(has_npm_client); then npm run --prefix clients/typescript --silent build && touch $@; \
	    else echo 'NOT BUILT: the TypeScript client, for want of npm.' >&2; fi

# The parts, and how many percent of each must have been run.
coverage: install $(npm) $(npm_client) $(npm_viewer) ## run every test, and fail where they leave too much of the code untried, branches included
	@$(bin)/python -m pytest $(parallel) --cov --cov-report=term-missing:skip-covered
	@for part in 'functions/*,layers/*=95' 'clients/*=95' 'local/*,ops/*=95'; do \
	    $(bin)/coverage report --include="$${part%=*}" --fail-under="$${part#*=}" >/dev/null \
	    || { echo "Less than $${part#*=} % of $${part%=*} is covered: see the table above." >&2; exit 1; }; done

check: install check-dashboard check-typescript .tools/$(CHECKOV) ## formatting, lint, types, the template and its security, the layer's requirements, known vulnerabilities
	$(bin)/ruff format --check .
	$(bin)/ruff check .
	PYTHONPATH=layers/common $(bin)/lint-imports --no-logo --no-cache
	$(bin)/mypy functions layers/common/outcomes local ops smoke bench docs tests clients/python conftest.py
	$(bin)/mypy --python-version 3.12 clients/python/src
	@$(export_requirements) | diff -u layers/common/requirements.txt - \
	    || { echo 'layers/common/requirements.txt is not what uv.lock says: run `make lock`.' >&2; exit 1; }
	$(offline) $(sam) validate --lint
	$(offline) $(bin)/cfn-lint --include-checks I -- template.yaml
	.tools/bin/checkov --config-file .checkov.yaml
	@if $(bin)/python -c 'from urllib.request import urlopen; urlopen("https://pypi.org/pypi/pip/25.0/json", timeout=10)' 2>/dev/null; \
	    then $(MAKE) audit; else echo 'NOT AUDITED: PyPI tells of no vulnerabilities from here. Run make audit where it does.' >&2; fi

# What pages load. It is kept with the sources, so that only who changes those needs npm; a test holds the two together.
.PHONY: dashboard
dashboard: $(npm) ## join and minify the elements anew into dashboard/public, which is what pages load
	@npm run --prefix dashboard --silent minify

.PHONY: check-dashboard
check-dashboard: $(npm)
	@if $(has_npm); then npm run --prefix dashboard --silent check && cd docs/examples && $(biome) --error-on-warnings; \
	    else echo 'NOT CHECKED: the dashboard, for want of npm.' >&2; test -z "$$CI"; fi

.PHONY: check-typescript
check-typescript: $(npm_client)
	@if $(has_npm_client); then npm run --prefix clients/typescript --silent check; \
	    else echo 'NOT CHECKED: the TypeScript client, for want of npm.' >&2; test -z "$$CI"; fi

# Strict: a package that PyPI cannot tell about is a failure, not a clean bill.
audit: $(uv_installed) .tools/$(PIP_AUDIT) ## known vulnerabilities in whatever uv.lock names (asks PyPI)
	@$(uv) export --quiet --locked --all-groups --format requirements.txt --no-header --no-annotate \
	    --output-file .tools/audited.txt >/dev/null
	.tools/bin/pip-audit --strict --progress-spinner off --disable-pip --require-hashes --requirement .tools/audited.txt

format: install $(npm) $(npm_client) ## let ruff and Biome format and mend what they can
	$(bin)/ruff check --fix .
	$(bin)/ruff format .
	@if $(has_npm); then npm run --prefix dashboard --silent format; cd docs/examples && $(biome) --write; fi

# SAM does not tell the layer's Makefile the architecture, so we do. A build can only be deployed for the architecture it was
# made for: what the template allows is narrowed to it.
build: install ## what AWS runs, in .aws-sam/build (ARCH=arm64 or x86_64)
	@case '$(ARCH)' in arm64|x86_64) ;; *) echo 'ARCH is arm64 or x86_64, not "$(ARCH)".' >&2; exit 1;; esac
	@# SAM says of each function that it has no requirements.txt. That is as it should be: what it says is shown when it fails.
	@said=$$(PATH="$(CURDIR)/$(bin):$$PATH" UV="$(CURDIR)/$(uv)" LAYER_ARCH=$(ARCH) $(offline) $(sam) build \
	    --build-dir '$(BUILD_DIR)' --parameter-overrides Architecture=$(ARCH) 2>&1 >/dev/null) || { echo "$$said" >&2; exit 1; }
	@sed -e '/^  Architecture:$$/,/^    Description:/{s/^    Default: .*/    Default: $(ARCH)/;/^    - /{/$(ARCH)/!d;};}' \
	    '$(BUILD_DIR)/template.yaml' > '$(BUILD_DIR)/narrowed' && mv '$(BUILD_DIR)/narrowed' '$(BUILD_DIR)/template.yaml'
	@# As the layer's Makefile has it: /var/task is read-only, so each cold start would compile the function anew.
	@for function in '$(BUILD_DIR)'/*/app.py; do folder=$${function%/app.py}; PYTHONHASHSEED=0 $(bin)/python -m compileall -q -f \
	    --invalidation-mode unchecked-hash -s "$$folder" -p /var/task "$$folder" || exit 1; done
	@echo 'Built for $(ARCH) in $(BUILD_DIR).'

lock: $(uv_installed) ## pin what pyproject.toml asks for, for the laptop and for the layer
	$(uv) lock
	$(export_requirements) --output-file layers/common/requirements.txt >/dev/null

openapi: install ## write openapi.yaml anew, from template.yaml and the models
	@PYTHONPATH=layers/common $(bin)/python -m docs.openapi

awaiting: install ## write the awaiting Python client anew, from the blocking one
	@$(bin)/python -m clients.python.awaiting

terminal: install ## draw anew what the client's README shows of its command (run, then seed, first)
	@PYTHONPATH=layers/common $(bin)/python -m docs.terminal --data '$(DATA)'

key: install ## a new bearer key and the fingerprint that lets it in
	@PYTHONPATH=layers/common $(bin)/python -m ops.key

# Whatever is in them, the shell takes them for text.
session seed: export USER_ID := $(USER_ID)
session: export KIND := $(KIND)

session: install ## a Cookie header for the running stack (USER_ID=42 KIND=next-auth)
	@$(local) session --user-id="$$USER_ID" --kind="$$KIND"

seed: install ## some sixty outcomes of the last thirty days into the running stack, once for a user (USER_ID=42)
	@$(local) seed --user-id="$$USER_ID"

# Whose it is has to be said: the default is for what harms nobody.
erase export-user: export WHOSE := $(if $(filter command,$(origin USER_ID)),$(USER_ID))
erase export-user: export STACK := $(STACK)
export-user: export FILE := $(FILE)
data_request := PYTHONPATH=layers/common $(bin)/python -m $(if $(STACK),ops.data_request --stack="$$STACK",local.data_request --data '$(DATA)')

erase: install ## delete all that is held of a user, for good (USER_ID=42, or AGAIN=1 after a restore; STACK=outcomes-prod)
	@$(data_request) erase $(if $(AGAIN),--again $(if $(filter command,$(origin USER_ID)),--user-id="$$WHOSE"),--user-id="$$WHOSE")

export-user: install ## all that is held of a user, as lines of JSON (USER_ID=42 STACK=outcomes-prod FILE=user-42.ndjson)
	@$(data_request) export --user-id="$$WHOSE" --file="$$FILE"

aws: install ## DynamoDB and Secrets Manager for `sam local start-api`, without an AWS account
	@$(local) aws

parameters := $(BUILD_DIR)/parameters.yaml

# A person is asked, with the answers of the last time as defaults; a pipeline takes the answers that samconfig.toml keeps.
deploy: build ## build, then deploy to your AWS account (ENV=core, dev or prod)
	@if [ -t 0 ]; then $(bin)/python -m ops.answers '$(ENV)' Architecture=$(ARCH); fi
	@$(bin)/python -m ops.configuration '$(ENV)' '$(BUILD_DIR)/template.yaml' > '$(parameters)'
	@$(sam) deploy --config-env '$(ENV)' --parameter-overrides 'file://$(parameters)' \
	    $$([ -t 0 ] || echo --no-confirm-changeset --no-fail-on-empty-changeset)
	@$(bin)/python -m ops.publish '$(ENV)'

# The dashboard's own, for the examples; types are checked where their packages are (make examples).
biome := ../../dashboard/node_modules/.bin/biome check

# What checks the dashboard, and finds faults of accessibility. Who needs it says so where it is not; in CI that is a failure.
has_npm := command -v npm >/dev/null && test -f $(npm)
$(npm): dashboard/package-lock.json
	@if ! command -v npm >/dev/null; then echo 'npm is not installed: tests of accessibility are skipped.' >&2; \
	    else npm ci --prefix dashboard --silent --no-audit --no-fund && touch $@ \
	        || echo 'npm could not install axe-core: tests of accessibility are skipped.' >&2; fi

has_npm_client := command -v npm >/dev/null && test -f $(npm_client)
$(npm_client): clients/typescript/package-lock.json
	@if ! command -v npm >/dev/null; then echo 'npm is not installed: tests of the TypeScript client are skipped.' >&2; \
	    else npm ci --prefix clients/typescript --silent --no-audit --no-fund && touch $@ \
	        || echo 'npm could not install what the TypeScript client is tested with: its tests are skipped.' >&2; fi

# What /docs of `make run` shows the API with: one package, without its scripts. Without npm, the page says where openapi.yaml is.
$(npm_viewer): local/viewer/package-lock.json
	@if command -v npm >/dev/null; then npm ci --prefix local/viewer --ignore-scripts --fetch-retries=0 --fetch-timeout=10000 \
	    --silent --no-audit --no-fund && touch $@ || echo 'npm could not install the viewer: /docs says where openapi.yaml is.' >&2; fi

.tools/$(CHECKOV) .tools/$(PIP_AUDIT): $(uv_installed)
	@echo 'Installing $(@F) into .tools.' >&2
	@UV_TOOL_DIR=.tools/tools UV_TOOL_BIN_DIR=.tools/bin $(uv) tool install --quiet --python 3.13 --exclude-newer $(TOOLS_AS_OF) \
	    $(shell echo '$(@F)' | sed 's/-\([0-9]\)/==\1/')
	@touch $@

# KEY and COOKIE may also come from the environment (INTERNAL_API_KEY, COOKIE), which no list of processes shows.
smoke: install ## the contract against a deployed API (URL=https://... KEY=... COOKIE=..., or STACK=outcomes-dev KEY=...)
	@$(if $(KEY),INTERNAL_API_KEY='$(KEY)') $(if $(COOKIE),COOKIE='$(COOKIE)') \
	    $(bin)/python -m smoke --url '$(URL)' --stack '$(STACK)' --origin '$(ORIGIN)'

resend: install ## tell the bus of a stack what it could not be told (STACK=outcomes-prod)
	@PYTHONPATH=layers/common $(bin)/python -m ops.resend '$(STACK)'

end-key: export STACK := $(STACK)
end-key: export FINGERPRINT := $(FINGERPRINT)
# A key to try, if there is one in the environment: INTERNAL_API_KEY.
end-key: install ## refuse a leaked key at once, whatever alarms say (STACK=outcomes-prod FINGERPRINT=..., or SECRET=previous)
	@PYTHONPATH=layers/common $(bin)/python -m ops.end_key "$$STACK" \
	    $(if $(filter previous,$(SECRET)),--previous-secret,"$$FINGERPRINT") $(if $(filter command,$(origin YES)),--yes)

install: .venv/installed
.venv/installed: $(uv_installed) uv.lock pyproject.toml .python-version
	@$(uv) python find 3.13 >/dev/null 2>&1 || $(uv) python install 3.13 >/dev/null 2>&1 \
	    || { echo 'Python 3.13 is not on this machine and could not be downloaded: install it, then run make again.' >&2; exit 1; }
	@echo 'Installing what uv.lock names into .venv: a minute or two the first time.' >&2
	@# Compiled once: the local stack starts in half the time, also where Python may write no compiled files.
	@$(uv) sync --quiet --locked --compile-bytecode
	@touch $@

# uv brings everything else. --target needs neither root nor a virtual environment, and leaves the system's Python alone.
$(uv_installed):
	@command -v python3 >/dev/null || { echo 'python3 is needed: install it, then run make again.' >&2; exit 1; }
	@python3 -m pip --version >/dev/null 2>&1 \
	    || { echo 'pip is needed (python3 -m pip): install it, then run make again.' >&2; exit 1; }
	@echo 'Installing uv $(UV_VERSION) into .tools.' >&2
	@PIP_USER=0 PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --disable-pip-version-check \
	    --no-input --upgrade --target .tools uv==$(UV_VERSION) \
	    || { echo 'pip could not install uv: see above, and whether this machine reaches PyPI.' >&2; exit 1; }

# The bench measures what is built for this very machine, beside nothing but Lambda's own packages.
this_architecture = $(if $(filter aarch64 arm64,$(shell uname -m)),arm64,x86_64)
bench: install .bench/installed ## what starting, calling and storing costs, beside its bars (BENCH=short: a look, which never fails)
	@$(MAKE) build ARCH=$(this_architecture) BUILD_DIR=.bench/build >/dev/null
	@AWS_DEFAULT_REGION=us-east-1 PYTHONPATH=layers/common $(bin)/python -m bench $(if $(filter short,$(BENCH)),--short)

.bench/installed: $(uv_installed) uv.lock
	@rm -rf .bench/runtime .bench/usual .bench/python
	@$(uv) venv --quiet --no-project --python 3.13 .bench/python
	@for group in runtime usual; do \
	    $(uv) export --quiet --locked --only-group $$group --format requirements.txt --no-header > .bench/$$group.txt && \
	    $(uv) pip install --quiet --require-hashes --no-deps --requirements .bench/$$group.txt --python .bench/python --target .bench/$$group && \
	    .bench/python/bin/python -m compileall -q --invalidation-mode unchecked-hash .bench/$$group || exit 1; done
	@touch $@

cost: install ## the costs in docs/costs.md and README.md, from bench/prices.toml
	@$(offline) PYTHONPATH=layers/common $(bin)/python -m bench.month docs/costs.md README.md
