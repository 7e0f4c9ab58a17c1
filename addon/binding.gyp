{
  "variables": {
    "sources_of_core": ["<!@(node -p \"require('fs').readdirSync('.', {recursive: true}).filter(f => f.endsWith('.cc') && !f.startsWith('build') && !f.startsWith('binding')).join(' ')\")"],
    "sources_of_binding": ["<!@(node -p \"require('fs').readdirSync('binding').filter(f => f.endsWith('.cc')).map(f => 'binding/' + f).join(' ')\")"],
    "module_folder": "<!(node -p \"process.cwd()\")"
  },
  "target_defaults": {
    "cflags": ["-Wall", "-Wextra", "-Wconversion", "-Werror", "-fvisibility=hidden", "-fstack-protector-strong", "-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=2", "-iquote", "<(module_folder)"],
    "ldflags": ["-Wl,-z,relro", "-Wl,-z,now"],
    "cflags!": ["-fno-exceptions", "-O3"],
    "cflags_cc!": ["-fno-exceptions", "-fno-rtti", "-std=gnu++17"],
    "cflags_cc": ["-std=c++20", "-O2", "-fexceptions"]
  },
  "targets": [
    {
      "target_name": "xsock_core",
      "type": "static_library",
      "cflags_cc": ["-Wshadow", "-fPIC"],
      "sources": ["<@(sources_of_core)"]
    },
    {
      "target_name": "xsock",
      "dependencies": [
        "xsock_core",
        "<!(node -p \"require('node-addon-api').targets\"):node_addon_api_except_all"
      ],
      "defines": ["NAPI_VERSION=8"],
      "sources": ["<@(sources_of_binding)"],
      "libraries": ["-ldl", "-lpthread"]
    }
  ]
}
